from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import DeploymentFailed
from infra.deployment.resharding import reshard, shards_of, steps
from tests.doubles.clock import ManualClock

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

COUNTS = st.integers(1, 1_000)


class Service:
    """A client that is told its answers, and checks its requests by the service's own model."""

    def __init__(self) -> None:
        self.client: KinesisClient = boto3.client(
            "kinesis", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        self.script = Stubber(self.client)

    def has(self, shards: int, *, status: str = "ACTIVE", mode: str = "PROVISIONED") -> None:
        summary: dict[str, Any] = {
            "StreamName": "events",
            "StreamARN": "arn:aws:kinesis:us-east-1:111122223333:stream/events",
            "StreamStatus": status,
            "StreamModeDetails": {"StreamMode": mode},
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 0,
            "EnhancedMonitoring": [],
            "OpenShardCount": shards,
        }
        answer = {"StreamDescriptionSummary": summary}
        self.script.add_response("describe_stream_summary", answer, {"StreamName": "events"})

    def takes(self, shards: int) -> None:
        asked = {"StreamName": "events", "TargetShardCount": shards, "ScalingType": "UNIFORM_SCALING"}
        self.script.add_response("update_shard_count", {"StreamName": "events"}, asked)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    with service.script:
        yield service
        service.script.assert_no_pending_responses()


@given(COUNTS, COUNTS)
def test_no_step_is_more_than_kinesis_takes_at_once(now: int, wanted: int) -> None:
    way = [now, *steps(now, wanted)]
    assert way[-1] == wanted
    assert all(before / 2 <= after <= before * 2 for before, after in pairwise(way))
    assert len(way) <= 11


def test_a_stream_is_brought_to_the_count_step_by_step(service: Service, clock: ManualClock) -> None:
    service.has(2)
    for count in (4, 5):
        service.takes(count)
        service.has(count - 1, status="UPDATING")
        service.has(count)
    said: list[str] = []
    reshard(service.client, "events", 5, clock, said.append)
    assert said == ["events: 4 shards", "events: 5 shards"]


def test_a_count_that_is_not_there_yet_is_waited_for(service: Service, clock: ManualClock) -> None:
    service.has(2)
    service.takes(4)
    service.has(2)
    service.has(4)
    reshard(service.client, "events", 4, clock, print)


def test_what_was_cut_off_goes_on_and_what_is_done_is_left(service: Service, clock: ManualClock) -> None:
    service.has(4, status="UPDATING")
    service.has(8)
    reshard(service.client, "events", 8, clock, print)


def test_a_stream_on_demand_is_left_to_itself(service: Service, clock: ManualClock) -> None:
    service.has(4, mode="ON_DEMAND")
    with pytest.raises(DeploymentFailed, match="on demand"):
        shards_of(service.client, "events", clock)


def test_a_stream_that_does_not_settle_is_told(service: Service, clock: ManualClock) -> None:
    for _ in range(362):
        service.has(4, status="UPDATING")
    with pytest.raises(DeploymentFailed, match="is UPDATING with 4 shards for 1800 s"):
        shards_of(service.client, "events", clock)
