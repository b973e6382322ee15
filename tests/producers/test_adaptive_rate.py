"""The rate finds what the shards take: a double throttles each as AWS does, on a clock that we move."""

from collections.abc import Iterator

import pytest

from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint
from headrace.kinesis.signature import Keys
from producers.outlet import Outlet
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_stream import Shard

SHARD_BYTES = 1 << 20  # a second
STEP_SECONDS = 0.04
KEYS = [f"user-{n}" for n in range(40)]
BLOCK = [b"x" * 5_000] * 40


@pytest.fixture
def kinesis(clock: ManualClock) -> Iterator[KinesisDouble]:
    with KinesisDouble(clock) as double:
        double.create_stream("events", shards=2)
        double.api.throttle_writes = True
        yield double


class Saturated:
    """A producer that always has more to send."""

    def __init__(self, kinesis: KinesisDouble, clock: ManualClock) -> None:
        endpoint = Endpoint(kinesis.url, "eu-west-1", lambda: Keys("AKID", "secret"))
        self._client = KinesisClient(endpoint, clock)
        self.outlet = Outlet(self._client, "events", clock, lambda: 0.5, keyed=True)
        assert self.outlet.is_ready
        self._number = 1
        self.sent = 0

    def step(self, queued_bytes: int = 2 << 20) -> None:
        while self.outlet.queued_bytes < queued_bytes:
            self.outlet.add(self._number, BLOCK, KEYS)
            self._number += len(BLOCK)
        self.sent += sum(map(len, self.outlet.put()))

    def settle(self) -> None:
        while self.outlet.in_flight:
            self.outlet.wait(5)
            self.outlet._in_flight.settle()

    @property
    def throttles(self) -> int:
        return sum(lane.throttles for _, lane in self.outlet._lanes.by_shard())

    def close(self) -> None:
        self.outlet.close()
        self._client.close()


def run(clock: ManualClock, seconds: float, *producers: Saturated) -> None:
    """A request takes one step, whatever it takes here."""
    until = clock.monotonic() + seconds
    while clock.monotonic() < until:
        for producer in producers:
            producer.step()
        clock.advance(STEP_SECONDS)
        for producer in producers:
            producer.settle()


def taken(shard: Shard) -> int:
    return sum(record.size for record in shard.records)


def test_it_settles_near_what_each_shard_takes_with_few_refusals(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    producer = Saturated(kinesis, clock)
    run(clock, 10, producer)
    shards = kinesis.stream().open
    before, throttles = [taken(shard) for shard in shards], producer.throttles
    records = len(kinesis.records())
    run(clock, 30, producer)
    for shard, size in zip(shards, before, strict=True):
        assert 0.75 < (taken(shard) - size) / (30 * SHARD_BYTES) <= 1.05
    refused = producer.throttles - throttles
    assert refused / (len(kinesis.records()) - records + refused) < 0.1
    producer.close()


def test_two_producers_share_a_shard_about_evenly_though_one_was_there_first(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    first, second = Saturated(kinesis, clock), Saturated(kinesis, clock)
    run(clock, 10, first)
    run(clock, 20, first, second)
    before = first.sent, second.sent
    run(clock, 40, first, second)
    shares = first.sent - before[0], second.sent - before[1]
    assert max(shares) / min(shares) < 2
    total = sum(shares) * len(BLOCK[0]) / (2 * 40 * SHARD_BYTES)
    assert 0.7 < total <= 1.05
    first.close()
    second.close()


def test_a_shard_that_throttles_does_not_hold_the_other_one_up(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    producer = Saturated(kinesis, clock)
    busy, free = kinesis.stream().open
    run(clock, 10, producer)
    producer.step(queued_bytes=30 * SHARD_BYTES)
    before = taken(free)
    for _ in range(10):
        busy.charge(write_bytes=SHARD_BYTES)  # others use it up
        run(clock, 1, producer)
    assert (taken(free) - before) / (10 * SHARD_BYTES) > 0.7
    producer.close()
