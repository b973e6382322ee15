"""The metrics of a producer's way to Kinesis, as a scraper sees them."""

from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint
from headrace.kinesis.signature import Keys
from producers.backlog import Backlog
from producers.outlet import Outlet
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import FailRecords, Refuse

FIRST, SECOND = "shardId-000000000000", "shardId-000000000001"
KEYS = [f"user-{n}" for n in range(40)]


@pytest.fixture
def kinesis(clock: ManualClock) -> Iterator[KinesisDouble]:
    with KinesisDouble(clock) as double:
        double.create_stream("events", shards=2)
        yield double


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """An input of the test's own, since the process has one registry."""
    return str(request.node.name)


@pytest.fixture
def outlet(kinesis: KinesisDouble, clock: ManualClock, name: str) -> Iterator[Outlet]:
    client = KinesisClient(Endpoint(kinesis.url, "eu-west-1", lambda: Keys("AKID", "secret")), clock)
    outlet = Outlet(client, "events", clock, lambda: 0.5, keyed=True, name=name)
    assert outlet.is_ready
    yield outlet
    outlet.close()
    client.close()


def value(metric: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"headrace_{metric}", labels)


def put(outlet: Outlet, clock: ManualClock) -> None:
    """Everything."""
    outlet.flush()
    while outlet.queued_bytes or outlet.in_flight:
        outlet.put()
        if outlet.in_flight:
            outlet.wait(5)
        else:
            clock.advance(max(outlet.wait_seconds(), 0.01))
    clock.advance(1)
    outlet.put()


def test_what_was_put_is_counted_under_the_names_of_the_kpl(
    outlet: Outlet, clock: ManualClock, name: str
) -> None:
    outlet.add(1, [b"x" * 100] * 40, KEYS)
    put(outlet, clock)
    assert value("user_records_put_total", input=name) == 40
    assert value("kinesis_records_put_total", input=name) == 2
    size = value("kinesis_records_data_put_bytes_total", input=name)
    assert size is not None
    assert size > 4_000
    assert size == sum(
        value("shard_data_put_bytes_total", input=name, shard=shard) or 0 for shard in (FIRST, SECOND)
    )
    for histogram, total in {
        "retries_per_record": 0,
        "buffering_seconds": 0,
        "user_records_per_kinesis_record": 40,
        "kinesis_records_per_put_records_request": 2,
        "user_records_per_put_records_request": 40,
    }.items():
        assert value(f"{histogram}_sum", input=name) == total
    assert value("request_seconds_count", input=name) == 1


def test_failures_and_retries_are_counted_by_code_and_by_shard(
    outlet: Outlet, kinesis: KinesisDouble, clock: ManualClock, name: str
) -> None:
    kinesis.faults.script(
        "PutRecords", Refuse(status=503), FailRecords(), FailRecords(code="InternalFailure")
    )
    outlet.add(1, [b"x"] * 40, KEYS)
    put(outlet, clock)
    assert value("errors_by_code_total", input=name, code="KinesisUnavailable") == 1
    assert value("errors_by_code_total", input=name, code="ProvisionedThroughputExceededException") == 2
    assert value("errors_by_code_total", input=name, code="InternalFailure") == 2
    assert value("retries_per_record_sum", input=name) == 6
    for shard in (FIRST, SECOND):
        assert value("shard_throttles_total", input=name, shard=shard) == 1
        assert value("shard_records_put_total", input=name, shard=shard) == 1
        assert (value("shard_rate_limit_bytes_per_second", input=name, shard=shard) or 0) > 0


def test_the_gauges_of_a_shard_show_what_waits_and_go_when_it_goes(
    outlet: Outlet, kinesis: KinesisDouble, clock: ManualClock, name: str
) -> None:
    with kinesis.paused():
        outlet.add(1, [b"x" * 100] * 40, KEYS)
        outlet.flush()
        clock.advance(1)
        outlet.put()
        outlet.add(41, [b"x" * 100] * 40, KEYS)
        outlet.flush()
        clock.advance(3)
        outlet.put()
        assert value("shard_in_flight", input=name, shard=FIRST) == 1
        assert (value("shard_waiting_bytes", input=name, shard=FIRST) or 0) > 1_000
        assert value("shard_oldest_seconds", input=name, shard=FIRST) == 4
    put(outlet, clock)
    assert value("shard_in_flight", input=name, shard=FIRST) == 0
    assert value("shard_oldest_seconds", input=name, shard=FIRST) == 0
    assert value("shard_rate_limit_bytes_per_second", input=name, shard=FIRST) is None
    kinesis.split(FIRST)
    outlet.add(81, [b"x"] * 40, KEYS)
    put(outlet, clock)
    assert value("shard_in_flight", input=name, shard=FIRST) is None
    assert value("shard_in_flight", input=name, shard="shardId-000000000002") == 0
    outlet.close()
    assert value("shard_in_flight", input=name, shard=SECOND) is None


def test_how_old_the_oldest_record_of_a_spool_is() -> None:
    backlog = Backlog()
    assert backlog.age(0.0, 0, 0) == 0
    assert backlog.age(10.0, 5, 0) == 0
    assert backlog.age(12.0, 8, 0) == 2
    assert backlog.age(15.0, 9, 4) == 5
    assert backlog.age(16.0, 9, 5) == 4, "since 8 were seen"
    assert backlog.age(17.0, 9, 9) == 0
    assert backlog.age(30.0, 10, 9) == 0
    for second in range(31, 20_000):
        oldest = backlog.age(float(second), second, 9)
    assert oldest == 20_000 - 1 - 30
    assert len(backlog._spooled) <= 4_001
