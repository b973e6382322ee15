"""The outlet against the double: order, retries and changing shards, step by step on a clock that we move."""

from collections.abc import Iterator

import pytest

from headrace.kinesis.aggregation import deaggregate
from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint
from headrace.kinesis.signature import Keys
from producers.outlet import Outlet
from tests.doubles.clock import ManualClock
from tests.doubles.kcl import delivered
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import FailRecords, Refuse

KEYS = [f"user-{n}" for n in range(40)]


@pytest.fixture
def kinesis(clock: ManualClock) -> Iterator[KinesisDouble]:
    with KinesisDouble(clock) as double:
        double.create_stream("events", shards=4)
        yield double


class Load:
    """Records `key:n`, n counting up per key, and what has become of them."""

    def __init__(self, outlet: Outlet, clock: ManualClock) -> None:
        self._outlet = outlet
        self._clock = clock
        self._number = 0
        self.acknowledged: list[int] = []

    def add(self, rounds: range) -> None:
        for n in rounds:
            for key in KEYS:
                self._number += 1
                self._outlet.add(self._number, f"{key}:{n:06d}".encode() * 20, key)

    def put(self, requests: int | None = None) -> None:
        """So many requests, or until everything is sent."""
        self._outlet.flush()
        while requests is None or requests:
            done = self._outlet.put()
            if done is None:
                if not self._outlet.queued_bytes:
                    return
                self._clock.advance(max(self._outlet.wait_seconds(), 0.01))
                continue
            self.acknowledged += [number for numbers in done for number in numbers]
            requests = None if requests is None else requests - 1


@pytest.fixture
def load(kinesis: KinesisDouble, clock: ManualClock) -> Iterator[Load]:
    endpoint = Endpoint(kinesis.url, "eu-west-1", lambda: Keys("AKID", "secret"))
    client = KinesisClient(endpoint, clock, connect_seconds=2, read_seconds=2)
    outlet = Outlet(client, "events", clock, lambda: 0.5, keyed=True)
    assert outlet.is_ready
    yield Load(outlet, clock)
    client.close()


def per_key(kinesis: KinesisDouble) -> dict[str, list[int]]:
    """What a KCL consumer gets of each key, parents before children, first copies only."""
    order: dict[str, list[int]] = {}
    for shard in sorted(kinesis.stream().shards.values(), key=lambda shard: shard.shard_id):
        for data in delivered(shard):
            key, n = data[: len(data) // 20].decode().split(":")
            if int(n) not in order.setdefault(key, []):
                order[key].append(int(n))
    return order


def in_order(rounds: int) -> dict[str, list[int]]:
    return {key: list(range(rounds)) for key in KEYS}


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_no_record_overtakes_another_of_its_key_when_some_fail(
    kinesis: KinesisDouble, load: Load, share: float
) -> None:
    kinesis.faults.record_failure = share
    kinesis.faults.call_failure = share / 2
    load.add(range(300))
    load.put()
    assert per_key(kinesis) == in_order(300)
    assert sorted(load.acknowledged) == list(range(1, 300 * len(KEYS) + 1))


def test_a_throttled_shard_waits_while_the_others_go_on(kinesis: KinesisDouble, load: Load) -> None:
    load.add(range(300))
    kinesis.faults.script("PutRecords", *[FailRecords(frozenset({0}))] * 3)
    load.put(requests=3)
    assert 0 < len(load.acknowledged) < 300 * len(KEYS)
    load.put()
    assert per_key(kinesis) == in_order(300)


def test_order_and_delivery_hold_through_a_split_and_a_merge(kinesis: KinesisDouble, load: Load) -> None:
    kinesis.faults.record_failure = 0.05
    shards = sorted(kinesis.stream().shards)
    load.add(range(200))
    load.put(requests=2)
    kinesis.split(shards[0])
    load.add(range(200, 300))
    load.put(requests=2)
    kinesis.merge(shards[2], shards[3])
    load.add(range(300, 400))
    load.put()
    assert per_key(kinesis) == in_order(400)
    assert sorted(load.acknowledged) == list(range(1, 400 * len(KEYS) + 1))


def test_nothing_is_acknowledged_by_a_request_that_failed(kinesis: KinesisDouble, load: Load) -> None:
    kinesis.faults.script("PutRecords", Refuse(after=True))
    load.add(range(3))
    load.put(requests=1)
    assert load.acknowledged == []
    load.put()
    assert len(load.acknowledged) == len(set(load.acknowledged)) == 3 * len(KEYS)


def test_a_request_holds_one_aggregate_of_a_shard_where_order_counts(
    kinesis: KinesisDouble, load: Load
) -> None:
    load.add(range(300))
    load.put(requests=1)
    assert len(kinesis.records()) == 4
    assert all(deaggregate(record.data) for record in kinesis.records())
