"""An operator of the toy stage, whose account is an emulator's."""

import io
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli import staged
from cli.main import run
from cli.place import Place
from headrace.ops.clock import SystemClock
from infra.deployment import emptying
from infra.deployment.assembly import Assembly
from infra.stacks import stage
from tests.cli.answer import Answer
from tests.infra.deployment import toy

ROOT = Path(__file__).parents[2]


def client(aws: Mapping[str, str], service: str) -> Any:
    session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
    return session.client(service, endpoint_url=aws["AWS_ENDPOINT_URL"])


@dataclass
class Operator:
    """Types commands for the toy stage; `file` is the stage's file, `assembly` what the CDK makes of it."""

    folder: Path
    aws: Mapping[str, str]
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    assembly: Assembly = field(init=False)

    def __post_init__(self) -> None:
        self.declare()
        self.files(toy.FILE)
        self.monkeypatch.setattr(staged, "synthesize", lambda *_: self.assembly)
        self.monkeypatch.setattr(staged.Site, "_build", lambda _: None)

    def files(self, file: Any) -> None:
        self.monkeypatch.setattr(stage, "read_stage_file", lambda _: file)

    def declare(self, **given: Any) -> None:
        self.assembly = toy.write(self.folder / "assembly", toy.template(**given))

    def make(self) -> None:
        """The stack as it is declared, without the CDK."""
        (stack,) = self.assembly.stacks
        self.makes(stack.name, stack.template)
        assert self.status() == "CREATE_COMPLETE"

    def makes(self, stack: str, template: Any) -> None:
        """Any stack."""
        body = json.dumps(template)
        client(self.aws, "cloudformation").create_stack(StackName=stack, TemplateBody=body)

    @property
    def state(self) -> str:
        return str(self.folder / ".headrace")

    def types(self, *words: str, answers: str = "") -> Answer:
        self.capsys.readouterr()
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
        place = Place({**self.aws, "HEADRACE_STATE": self.state}, SystemClock())
        code = run([*words, "--stage", toy.NAME], place)
        told = self.capsys.readouterr()
        assert "000000000000" not in told.out + told.err, "an account number was shown whole"
        return Answer(code, *told)

    def begins(self, *words: str) -> "subprocess.Popen[str]":
        """The same in a process of its own."""
        driver = [sys.executable, "-m", "tests.infra.deployment.driver"]
        return subprocess.Popen(
            [*driver, self.state, str(self.assembly.folder), *words, "--stage", toy.NAME],
            env={**self.aws, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def status(self, name: str = toy.STACK) -> str:
        found = client(self.aws, "cloudformation").describe_stacks()["Stacks"]
        return next((str(one["StackStatus"]) for one in found if one["StackName"] == name), "")

    def put(self, bucket: str, key: str = "object") -> None:
        client(self.aws, "s3").put_object(Bucket=bucket, Key=key, Body=b"held")

    def leaves(self) -> None:
        """Everything of the stage goes, whatever a test has made of it."""
        s3 = client(self.aws, "s3")
        for bucket in {one["Name"] for one in s3.list_buckets()["Buckets"]} & {"toy-archive", "toy-staging"}:
            emptying.empty(s3, bucket, print)
            s3.delete_bucket(Bucket=bucket)
        stacks = client(self.aws, "cloudformation")
        for stack in stacks.describe_stacks()["Stacks"]:
            if stack["StackName"].startswith("headrace-toy-"):
                stacks.delete_stack(StackName=stack["StackName"])
        kinesis = client(self.aws, "kinesis")
        for name in kinesis.list_streams()["StreamNames"]:
            kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
