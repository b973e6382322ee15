"""The stage `local` for real: its stack by the CDK's command line, its job, its proof, its end."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli import staged
from cli.place import Place
from headrace.ops.clock import SystemClock
from infra.deployment.assembly import Assembly
from infra.local import deployment, environment, processes
from infra.local.state import State
from infra.local.workers import DESK, WORKERS, Worker
from infra.stacks.stage import LOCAL
from tests.cli.conftest import Headrace
from tests.infra.synthesis import synthesized

pytestmark = [pytest.mark.stack, pytest.mark.spark, pytest.mark.xdist_group("cdk")]

UP_TO_DATE, DEPLOYED = (f"stack {deployment.STACK}: {what}" for what in ("up to date", "deployed"))


@pytest.fixture
def no_error_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a Java of its own, and has tests of its own."""
    monkeypatch.setitem(WORKERS, DESK, Worker("error desk", ("sleep", "600"), needs_java=False))


def client(state: State, service: str) -> Any:
    session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
    return session.client(service, endpoint_url=state.read_env()["AWS_ENDPOINT_URL"])


def archived(state: State) -> Iterator[str]:
    """The lines of edits in the archive, once there are any."""
    s3, clock = client(state, "s3"), SystemClock()
    deadline = clock.monotonic() + 60
    wanted = {"Bucket": environment.ARCHIVE_BUCKET, "Prefix": "events/type=wiki_edit.v1/"}
    while not (found := s3.list_objects_v2(**wanted).get("Contents")):
        assert clock.monotonic() < deadline
        clock.sleep(0.2)
    yield from (one["Key"] for one in found)


def larger(folder: Path) -> Assembly:
    """The assembly with another memory for the function, written over the one that was synthesized."""
    path = folder / f"{deployment.STACK}.template.json"
    template = json.loads(path.read_text())
    (function,) = (one for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::Function")
    function["Properties"]["MemorySize"] = 1024
    path.write_text(json.dumps(template))
    assets = folder / f"{deployment.STACK}.assets.json"
    assets.write_text(assets.read_text().replace('"objectKey": "', '"objectKey": "larger-'))
    manifest = folder / "manifest.json"
    address = "s3://cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}/"
    manifest.write_text(manifest.read_text().replace(address, address + "larger-"))
    return Assembly.read(folder)


@pytest.mark.usefixtures("no_error_desk")
def test_the_laptops_stage_is_deployed_proves_itself_is_updated_in_place_and_ends(
    headrace: Headrace, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "assembly"
    shutil.copytree(synthesized(LOCAL).folder, folder)
    monkeypatch.setattr(staged, "synthesize", lambda *_: Assembly.read(folder))
    environ = {"HEADRACE_DELIVERY_SECONDS": "1", "AWS_EC2_METADATA_DISABLED": "true"}
    assert "no local stack runs" in headrace("diff", "--stage", "local", **environ).err
    deployed = headrace("deploy", "--stage", "local", "--yes", "--wait", "120", **environ)
    assert deployed.code == 0, deployed.err
    assert "bootstrapped" in deployed.err
    assert "reconciled: every record is counted, once" in deployed.err
    assert any(archived(state)), "the transform delivers"

    said: list[str] = []
    own = environment.for_child(os.environ, state.read_env())
    deployment.deploy(own, SystemClock(), said.append)
    assert said == [UP_TO_DATE]

    assert headrace("diff", "--stage", "local", **environ).code == 0
    larger(folder)
    shown = headrace("diff", "--stage", "local", **environ)
    assert (shown.code, "Transform" in shown.out) == (1, True), shown.out
    place = Place({**os.environ, "HEADRACE_STATE": str(state.root), **environ}, SystemClock())
    with staged.opened(place, "local") as site:
        site.synthesized().bring_up(site.target.make_ready())
    function = client(state, "lambda").get_function_configuration(FunctionName=deployment.FUNCTION)
    assert function["MemorySize"] == 1024
    proven = headrace("smoke", "--stage", "local", "--wait", "120", **environ)
    assert proven.code == 0, proven.err

    destroyed = headrace("destroy", "--stage", "local", "--yes", **environ)
    assert destroyed.code == 0, destroyed.err
    kept = {line.split()[1] for line in destroyed.out.splitlines() if line.strip().startswith("kept ")}
    assert kept >= {"events", "errors", environment.ARCHIVE_BUCKET}
    assert processes.find(state, "stream") is None
    assert any(archived(state)), "the archive outlives the stack"
    deployment.deploy(own, SystemClock(), said.append)
    assert said[-1] == DEPLOYED
