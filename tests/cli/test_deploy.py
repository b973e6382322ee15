"""One emulator for all: the CDK's command line bootstraps it, deploys to it, and everything is destroyed."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import boto3
import pytest

from cli import staged
from cli.exit_codes import INTERRUPTED
from cli.main import run
from cli.place import Place
from headrace.errors import DeploymentFailed
from headrace.ops.clock import SystemClock
from infra.deployment.assembly import Assembly
from infra.deployment.aws import Aws
from infra.deployment.stacks import Stacks
from infra.local import emulator
from infra.local.state import State
from infra.stacks import stage
from tests.cli.conftest import Answer
from tests.infra.deployment import toy

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stages")]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The environment of an operator whose account is the emulator's."""
    state = State(tmp_path_factory.mktemp("emulator") / ".headrace")
    process = emulator.start(state, os.environ, SystemClock(), preferred=0)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HEADRACE_"))}
    yield kept | {
        "AWS_ENDPOINT_URL": emulator.endpoint(process),
        "AWS_ACCESS_KEY_ID": f"AKIASTAGES{process.port}",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    emulator.stop(state, SystemClock())


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
        body = json.dumps(stack.template)
        client(self.aws, "cloudformation").create_stack(StackName=stack.name, TemplateBody=body)
        assert self.status() == "CREATE_COMPLETE"

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


@pytest.fixture
def operator(
    tmp_path: Path,
    aws: Mapping[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Operator]:
    yield Operator(tmp_path, aws, capsys, monkeypatch)
    monkeypatch.undo()
    for bucket in ("toy-archive", "toy-staging"):
        store = boto3.resource(
            "s3",
            endpoint_url=aws["AWS_ENDPOINT_URL"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        ).Bucket(bucket)
        if bucket in [each["Name"] for each in client(aws, "s3").list_buckets()["Buckets"]]:
            store.object_versions.delete()
            store.delete()
    stacks = client(aws, "cloudformation")
    if toy.STACK in [one["StackName"] for one in stacks.describe_stacks()["Stacks"]]:
        stacks.delete_stack(StackName=toy.STACK)
    kinesis = client(aws, "kinesis")
    for name in kinesis.list_streams()["StreamNames"]:
        kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)


def killed_at(process: "subprocess.Popen[str]", words: str, number: signal.Signals) -> str:
    """What it had said until then."""
    said = ""
    assert process.stderr
    for line in process.stderr:
        said += line
        if words in line:
            process.send_signal(number)
            break
    said += process.stderr.read()
    process.wait(60)
    process.stderr.close()
    assert words in said
    return said


def test_a_deployment_that_is_cut_off_at_any_point_is_finished_by_the_next(operator: Operator) -> None:
    cut_off: list[tuple[str, signal.Signals]] = [
        ("CREATE_IN_PROGRESS", signal.SIGKILL),  # in the midst of the bootstrap
        ("synthesizing", signal.SIGINT),
        (f"{toy.STACK}: creating CloudFormation changeset", signal.SIGKILL),
        ("Events", signal.SIGKILL),  # in the midst of the stack
    ]
    for words, number in cut_off:
        killed_at(operator.begins("deploy", "--yes"), words, number)
    answer = operator.types("deploy", "--yes")
    assert (answer.code, operator.status()) == (0, "CREATE_COMPLETE"), answer.err
    assert operator.status("CDKToolkit") == "CREATE_COMPLETE"
    assert operator.types("diff").code == 0


def test_nothing_is_deployed_before_the_operator_has_agreed_and_a_failed_stack_is_made_anew(
    operator: Operator,
) -> None:
    broken = toy.template()
    broken["Resources"]["Broken"] = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {"Metrics": [{"Id": "one", "Expression": "1 + 1"}]},
    }
    operator.assembly = toy.write(operator.folder / "assembly", broken)
    refused = operator.types("deploy", answers="n\n" * 2)
    assert refused.code == INTERRUPTED
    assert operator.status() == ""
    agreed = operator.types("deploy", answers="y\n" * 2)
    assert agreed.code == 1
    assert "8 made" in agreed.out
    assert "root in account ********0000, region us-east-1" in agreed.err
    assert "Broken" in agreed.err
    operator.declare()
    assert operator.types("deploy", "--yes").code == 0
    assert operator.status() in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def test_images_that_nothing_here_can_build_are_told_before_anything_is_done(operator: Operator) -> None:
    operator.assembly = toy.write(operator.folder / "assembly", toy.template(), {"image": {}})
    operator.aws = {**operator.aws, "CDK_DOCKER": "no-such-program"}
    refused = operator.types("deploy", "--yes")
    assert refused.code == 1
    assert "are built by 'no-such-program', which is not installed here" in refused.err
    assert operator.status() == ""


@pytest.fixture
def deployed(operator: Operator) -> Operator:
    """The stack is there, made without the CDK, which takes its seconds."""
    operator.make()
    return operator


def test_a_difference_is_shown_and_an_update_is_made_in_place(deployed: Operator) -> None:
    kinesis = client(deployed.aws, "kinesis")
    kinesis.put_record(StreamName="toy-events", Data=b"stays", PartitionKey="k")
    deployed.declare(days=14, alarm=False)
    shown = deployed.types("diff")
    assert shown.code == 1
    assert re.search(r"(changed|may be replaced) +Log ", shown.out)
    assert re.search(r"destroyed +Topic ", shown.out)
    assert "1 destroyed" in shown.out
    stacks = client(deployed.aws, "cloudformation")
    assert stacks.list_change_sets(StackName=toy.STACK)["Summaries"] == []

    assert deployed.types("deploy", "--yes").code == 0
    (log,) = client(deployed.aws, "logs").describe_log_groups(logGroupNamePrefix="toy-log")["logGroups"]
    assert log["retentionInDays"] == 14
    shard = kinesis.list_shards(StreamName="toy-events")["Shards"][0]["ShardId"]
    at = kinesis.get_shard_iterator(StreamName="toy-events", ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    assert [one["Data"] for one in kinesis.get_records(ShardIterator=at)["Records"]] == [b"stays"]
    assert deployed.types("diff").code == 0


def test_a_data_store_that_would_be_replaced_is_asked_for_by_name(deployed: Operator) -> None:
    deployed.declare(name="toy-other")
    refused = deployed.types("deploy", "--yes")
    assert refused.code == 1
    assert f"{toy.STACK}: Events (AWS::Kinesis::Stream): " in refused.err
    assert "--yes does not answer for data" in refused.err
    assert deployed.types("deploy", answers="y\n").code == INTERRUPTED
    assert client(deployed.aws, "kinesis").list_streams()["StreamNames"] == ["toy-events"]
    assert deployed.types("deploy", answers="toy\n").code == 0
    assert "toy-other" in client(deployed.aws, "kinesis").list_streams()["StreamNames"]


class Faltering(Aws):
    """AWS as a target whose schema, then whose job, is cut off the first time."""

    calls: ClassVar[list[str]] = []

    def apply_schema(self) -> None:
        self._once("schema")

    def run_job(self) -> None:
        self._once("job")

    def _once(self, name: str) -> None:
        self.calls.append(name)
        if self.calls.count(name) == 1:
            raise KeyboardInterrupt


def test_a_schema_or_a_job_that_was_cut_off_is_done_by_the_next_run(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.deployment.aws.Aws", Faltering)
    assert [deployed.types("deploy", "--yes").code for _ in range(3)] == [INTERRUPTED, INTERRUPTED, 0]
    assert Faltering.calls == ["schema", "schema", "job", "schema", "job"]


@pytest.fixture
def as_strict_as_aws(monkeypatch: pytest.MonkeyPatch, aws: Mapping[str, str]) -> None:
    """Stacks are not deleted while a bucket of theirs that is to go holds anything; the emulator would."""
    delete = Stacks.delete

    def strict(self: Stacks, name: str) -> None:
        s3, template = client(aws, "s3"), self.template(name)["Resources"]
        for one in self.resources(name):
            goes = template[one.logical].get("DeletionPolicy") != "Retain"
            if one.type == "AWS::S3::Bucket" and goes:
                held = s3.list_object_versions(Bucket=one.physical)
                if "Versions" in held or "DeleteMarkers" in held:
                    raise DeploymentFailed(f"{one.logical}: the bucket you tried to delete is not empty")
        delete(self, name)

    monkeypatch.setattr(Stacks, "delete", strict)


@pytest.mark.usefixtures("as_strict_as_aws")
def test_buckets_are_emptied_of_every_version_before_their_stack_goes(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = client(deployed.aws, "s3")
    for key in ("one", "two", "two"):
        deployed.put("toy-archive", key)
    s3.delete_object(Bucket="toy-archive", Key="one")
    deployed.put("toy-staging")
    with monkeypatch.context() as unemptied:
        unemptied.setattr("infra.deployment.destruction.empty", lambda *_: 0)
        refused = deployed.types("destroy", answers="toy\n")
    assert refused.code == 1
    assert "is not empty" in refused.err
    assert deployed.status() == "CREATE_COMPLETE"

    gone = deployed.types("destroy", answers="toy\n")
    assert gone.code == 0, gone.err
    assert "s3://toy-archive: emptied of 4 versions" in gone.err
    assert deployed.status() == ""
    assert not {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} & {"toy-archive", "toy-staging"}
    assert "waiting for its deletion" in gone.out
    assert "CDKToolkit" in gone.out
    assert deployed.types("destroy").err.endswith("nothing of stage toy is deployed here\n")


@pytest.mark.usefixtures("as_strict_as_aws")
def test_a_bucket_that_is_written_to_meanwhile_is_emptied_again(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict, writes = Stacks.delete, iter([True])

    def written_to(self: Stacks, name: str) -> None:
        if next(writes, False):
            deployed.put("toy-archive", "late")
        strict(self, name)

    monkeypatch.setattr(Stacks, "delete", written_to)
    answer = deployed.types("destroy", answers="toy\n")
    assert answer.code == 0
    assert "trying again" in answer.err


def test_data_stays_unless_the_stages_name_is_typed_and_its_file_agrees(deployed: Operator) -> None:
    deployed.put("toy-archive")
    assert deployed.types("destroy", answers="yes\n").code == INTERRUPTED
    assert "does not answer for data" in deployed.types("destroy", "--yes").err
    deployed.files(toy.KEPT_FILE)
    assert "keep_data = true" in deployed.types("destroy", answers="toy\n").err
    assert deployed.status() == "CREATE_COMPLETE"


@pytest.mark.usefixtures("as_strict_as_aws")
def test_what_is_kept_outlives_the_stage_and_is_listed(operator: Operator) -> None:
    operator.files(toy.KEPT_FILE)
    operator.declare(keep=True)
    operator.make()
    operator.put("toy-archive")
    operator.put("toy-staging")
    answer = operator.types("destroy", answers="y\n")
    assert answer.code == 0, answer.err
    told = [line.split() for line in answer.out.partition("what is left")[2].splitlines()]
    left = {(words[2], words[0]) for words in told if len(words) > 2 and words[0] in ("kept", "there")}
    assert left == {
        ("AWS::Kinesis::Stream", "kept"),
        ("AWS::S3::Bucket", "kept"),
        ("AWS::KMS::Key", "kept"),
        ("the", "there"),  # bootstrap stack
    }
    held = client(operator.aws, "s3").list_objects_v2(Bucket="toy-archive")
    assert held["KeyCount"] == 1


def test_an_end_that_is_cut_off_is_finished_and_accounted_for_by_the_next(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("cli.destroy.look", cut_off)  # the stack is gone, and nobody has looked
        assert deployed.types("destroy", answers="toy\n").code == INTERRUPTED
    assert deployed.status() == ""
    answer = deployed.types("destroy", answers="toy\n")
    assert answer.code == 0
    assert "waiting for its deletion" in answer.out


def test_what_is_left_and_should_not_be_fails_the_end(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = Stacks.delete

    def forgetful(self: Stacks, name: str) -> None:
        delete(self, name)
        client(deployed.aws, "logs").create_log_group(logGroupName="toy-log")

    monkeypatch.setattr(Stacks, "delete", forgetful)
    answer = deployed.types("destroy", answers="toy\n")
    assert answer.code == 1
    assert "toy-log (AWS::Logs::LogGroup) is there, and should be gone" in answer.err
    client(deployed.aws, "logs").delete_log_group(logGroupName="toy-log")


def test_a_stack_that_the_file_no_longer_asks_for_is_told_and_can_be_destroyed_alone(
    deployed: Operator,
) -> None:
    other = "headrace-toy-producers"
    body = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    client(deployed.aws, "cloudformation").create_stack(StackName=other, TemplateBody=body)
    assert f"{other} is deployed, and the stage's file does not ask for it" in deployed.types("diff").err
    answer = deployed.types("destroy", "--stack", other, "--yes")
    assert (answer.code, deployed.status(other), deployed.status()) == (0, "", "CREATE_COMPLETE"), answer.err


def test_a_smoke_test_finds_the_stage_by_what_it_has_published(operator: Operator) -> None:
    assert "stage toy is not deployed in us-east-1" in operator.types("smoke").err
    operator.make()
    answer = operator.types("smoke")
    assert (answer.code, "this stage has no warehouse" in answer.err) == (2, True)
