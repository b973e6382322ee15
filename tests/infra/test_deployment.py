import json
import os
import signal
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from headrace.errors import LocalStackFailed
from headrace.ops.clock import SystemClock
from headrace.schemas.streams import STREAMS
from infra import bundle
from infra.local import deployment, emulator, processes, streams
from infra.local.deployment import STACK, Outputs, deploy
from infra.local.environment import ARCHIVE_BUCKET
from infra.local.state import State
from tests.lambdas.firehose import bad, good, lines, record, results

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("deployment")]

OUTPUTS = Outputs("events", "errors", "headrace-archive-local", "headrace-transform")
UP_TO_DATE, DEPLOYED = f"stack {STACK}: up to date", f"stack {STACK}: deployed"


class Local:
    """One emulator, started and stopped at will, and its clients."""

    def __init__(self, state: State, clock: SystemClock) -> None:
        self.state, self.clock, self.said = state, clock, list[str]()
        self.start()

    def start(self) -> None:
        self.process = emulator.start(self.state, os.environ, self.clock, preferred=0)
        self.environ = {
            "AWS_ENDPOINT_URL": emulator.endpoint(self.process),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }
        session = boto3.session.Session("test", "test", region_name="us-east-1")
        endpoint = self.environ["AWS_ENDPOINT_URL"]
        self.stacks: CloudFormationClient = session.client("cloudformation", endpoint_url=endpoint)
        self.kinesis: KinesisClient = session.client("kinesis", endpoint_url=endpoint)
        self.functions: LambdaClient = session.client("lambda", endpoint_url=endpoint)
        self.s3: S3Client = session.client("s3", endpoint_url=endpoint)

    def restart(self) -> None:
        assert emulator.stop(self.state, self.clock)
        self.start()

    def deploy(self) -> str:
        """What it says."""
        assert deploy(self.environ, self.clock, self.said.append) == OUTPUTS
        return self.said[-1]

    def call(self, *raw: bytes) -> dict[str, Any]:
        payload = json.dumps({"records": [record(one) for one in raw]})
        answer = self.functions.invoke(FunctionName="headrace-transform", Payload=payload)
        told = answer["Payload"].read()
        assert "FunctionError" not in answer, told
        content: dict[str, Any] = json.loads(told)
        return content

    def on_stream(self, name: str) -> list[bytes]:
        found = []
        for shard in self.kinesis.list_shards(StreamName=name)["Shards"]:
            start = self.kinesis.get_shard_iterator(
                StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )
            records = self.kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
            found += [one["Data"] for one in records]
        return found

    def created(self, name: str) -> Any:
        summary = self.kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        return summary["StreamCreationTimestamp"]

    def kept(self) -> bytes:
        return self.s3.get_object(Bucket=ARCHIVE_BUCKET, Key="events/kept")["Body"].read()


@pytest.fixture
def own(state: State, clock: SystemClock) -> Local:
    """One that a test may stop."""
    state.root.mkdir()
    return Local(state, clock)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    local = Local(State(tmp_path_factory.mktemp("emulator") / ".headrace"), SystemClock())
    yield local
    emulator.stop(local.state, local.clock)


@pytest.fixture
def local(shared: Local) -> Local:
    """One that keeps running, with nothing on it."""
    wipe = urllib.request.Request(f"{emulator.endpoint(shared.process)}/_ministack/reset", method="POST")
    with urllib.request.urlopen(wipe, timeout=30):
        return shared


@pytest.fixture
def other_function(tmp_path: Path) -> Path:
    """A zip whose function answers in another way."""
    path = tmp_path / "transform-other.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for folder in ("lambdas", "lambdas/transform"):
            packed.writestr(f"{folder}/__init__.py", "")
        packed.writestr("lambdas/transform/handler.py", "def handle(event, context): return {'other': True}")
    return path


def test_a_deployed_stack_transforms_and_puts_rejects_and_a_second_time_nothing_changes(
    local: Local, other_function: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert local.deploy() == DEPLOYED
    answers = local.call(good(1), bad(2))["records"]
    assert results(answers) == ["Ok", "Dropped"]
    assert lines(answers[0])[0]["_sequence"] == 1
    (reject,) = local.on_stream("errors")
    assert json.loads(reject)["data"]["code"] == "out_of_range"
    assert local.deploy() == UP_TO_DATE

    made = {
        one["LogicalResourceId"]
        for one in local.stacks.describe_stack_resources(StackName=STACK)["StackResources"]
    }
    assert made == set(json.loads(deployment.TEMPLATE.read_text())["Resources"])

    monkeypatch.setattr(bundle, "build", lambda _: other_function)
    assert local.deploy() == DEPLOYED
    assert local.call(good(3)) == {"other": True}
    assert local.on_stream("errors") == [reject]


def test_the_template_fits_into_the_request() -> None:
    assert len(deployment.template_body()) <= deployment.LONGEST_BODY


def test_streams_and_archive_from_before_the_stack_are_kept_with_what_they_hold(own: Local) -> None:
    streams.create(own.kinesis, [STREAMS["events"]])
    own.kinesis.put_record(StreamName="events", Data=b"from before", PartitionKey="k")
    created = own.created("events")
    own.s3.create_bucket(Bucket=ARCHIVE_BUCKET)
    own.s3.put_object(Bucket=ARCHIVE_BUCKET, Key="events/kept", Body=b"kept")
    assert own.deploy() == DEPLOYED
    assert own.deploy() == UP_TO_DATE

    own.restart()
    assert own.deploy() == UP_TO_DATE
    assert results(own.call(good(1))["records"]) == ["Ok"]
    own.stacks.delete_stack(StackName=STACK)
    assert own.deploy() == DEPLOYED

    assert own.created("events") == created
    assert own.on_stream("events") == [b"from before"]
    assert own.kept() == b"kept"


def test_an_emulator_that_was_killed_gets_a_whole_stack_again(own: Local) -> None:
    own.deploy()
    own.s3.put_object(Bucket=ARCHIVE_BUCKET, Key="events/kept", Body=b"kept")
    processes.stop(own.state, emulator.NAME, own.clock, request=signal.SIGKILL)
    own.start()
    assert own.deploy() == DEPLOYED
    assert results(own.call(good(1))["records"]) == ["Ok"]
    assert own.kept() == b"kept"


def test_what_was_removed_by_hand_comes_back(local: Local) -> None:
    local.deploy()
    local.kinesis.put_record(StreamName="events", Data=b"stays", PartitionKey="k")
    local.functions.delete_function(FunctionName="headrace-transform")
    local.kinesis.delete_stream(StreamName="errors")
    assert local.deploy() == DEPLOYED
    assert results(local.call(bad(1))["records"]) == ["Dropped"]
    assert len(local.on_stream("errors")) == 1
    assert local.on_stream("events") == [b"stays"]


def test_a_template_that_the_emulator_refuses_is_told_and_the_next_good_one_is_deployed(
    local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = json.loads(deployment.TEMPLATE.read_text())
    broken["Resources"]["Broken"] = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {"Metrics": [{"Id": "one", "Expression": "1 + 1"}]},
    }
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(broken))
    with monkeypatch.context() as patched:
        patched.setattr(deployment, "TEMPLATE", path)
        with pytest.raises(LocalStackFailed, match="Broken"):
            local.deploy()
    assert local.deploy() == DEPLOYED
    assert results(local.call(good(1))["records"]) == ["Ok"]
