"""The outlet against the double: order, retries and changing shards, step by step on a clock that we move."""

from collections.abc import Callable, Iterator

import pytest

from headrace.errors import KinesisRefused
from headrace.kinesis.aggregation import deaggregate
from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint
from headrace.kinesis.signature import Keys
from producers.outlet import Outlet
from tests.doubles.clock import ManualClock
from tests.doubles.kcl import delivered
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import FailRecords, Refuse, Stall

KEYS = [f"user-{n}" for n in range(40)]


@pytest.fixture
def kinesis(clock: ManualClock) -> Iterator[KinesisDouble]:
    with KinesisDouble(clock) as double:
        double.create_stream("events", shards=4)
        yield double


class Load:
    """Records `key:n`, n counting up per key, and what has become of them."""

    def __init__(self, outlet: Outlet, clock: ManualClock) -> None:
        self.outlet = outlet
        self._clock = clock
        self._number = 0
        self.acknowledged: list[int] = []

    def add(self, rounds: range) -> None:
        for n in rounds:
            for key in KEYS:
                self._number += 1
                self.outlet.add(self._number, [f"{key}:{n:06d}".encode() * 20], [key])

    def put_once(self) -> None:
        """Begin what can be begun."""
        self.acknowledged += [number for numbers in self.outlet.put() for number in numbers]

    def follow_map(self) -> None:
        """Until the outlet knows the shards as they are."""
        self.outlet.flush()
        while self.outlet._state.is_wrong or not self.outlet._back_off.is_over(self._clock.monotonic()):
            self._clock.advance(0.1)
            assert self.outlet.is_ready

    def put(self, requests: int | None = None) -> None:
        """So many requests, one after the other has been answered, or until everything is sent."""
        self.outlet.flush()
        while requests is None or requests:
            self.put_once()
            if self.outlet.in_flight:
                self.outlet.wait(5.0)
                requests = None if requests is None else requests - 1
            elif not self.outlet.queued_bytes:
                return
            else:
                self._clock.advance(max(self.outlet.wait_seconds(), 0.01))
        self.settle()

    def settle(self) -> None:
        """Let all come back that is under way, and begin nothing."""
        while self.outlet.in_flight:
            self.outlet.wait(5.0)
            self.outlet._in_flight.settle()
        self.acknowledged += [number for numbers in self.outlet._take_acknowledged() for number in numbers]


def outlet_on(
    kinesis: KinesisDouble, clock: ManualClock, *, keyed: bool, connections: int = 4
) -> tuple[Outlet, Callable[[], None]]:
    """An outlet that knows the shards, and what closes it."""
    endpoint = Endpoint(kinesis.url, "eu-west-1", lambda: Keys("AKID", "secret"))
    client = KinesisClient(endpoint, clock, connect_seconds=2, read_seconds=2)
    outlet = Outlet(client, "events", clock, lambda: 0.5, keyed=keyed, connections=connections)
    assert outlet.is_ready

    def close() -> None:
        outlet.close()
        client.close()

    return outlet, close


@pytest.fixture(params=[1, 4])
def load(kinesis: KinesisDouble, clock: ManualClock, request: pytest.FixtureRequest) -> Iterator[Load]:
    """With one request under way at most, and with four."""
    outlet, close = outlet_on(kinesis, clock, keyed=True, connections=request.param)
    yield Load(outlet, clock)
    close()


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


def test_order_and_delivery_hold_when_shards_change_under_requests_that_are_under_way(
    kinesis: KinesisDouble, load: Load
) -> None:
    kinesis.faults.record_failure = 0.05
    for round_ in range(6):
        load.add(range(round_ * 50, round_ * 50 + 50))
        load.follow_map()
        with kinesis.paused():
            load.put_once()
            assert load.outlet.in_flight
            shards = sorted(kinesis.stream().open, key=lambda shard: shard.first)
            if round_ % 3 == 2:
                kinesis.merge(shards[1].shard_id, shards[2].shard_id)
            else:
                kinesis.split(shards[round_ % 2].shard_id)
        load.put(requests=1)
    load.put()
    assert per_key(kinesis) == in_order(300)
    assert sorted(load.acknowledged) == list(range(1, 300 * len(KEYS) + 1))


def test_while_a_request_hangs_the_other_shards_go_on(kinesis: KinesisDouble, clock: ManualClock) -> None:
    outlet, close = outlet_on(kinesis, clock, keyed=True, connections=2)
    load = Load(outlet, clock)
    kinesis.faults.script("PutRecords", Stall())
    outlet.add(1, [b"first"], ["user-0"])
    outlet.flush()
    assert outlet.put() == []
    while not kinesis.calls.count("PutRecords"):
        outlet.wait(0.01)
    outlet.add(2, [b"second"] * len(KEYS), KEYS)
    outlet.flush()
    done: list[int] = []
    while len(kinesis.records()) < 3:  # the fourth shard waits for the answer that does not come
        done += [number for numbers in outlet.put() for number in numbers]
        outlet.wait(0.01)
    there = {data for shard in kinesis.stream().shards.values() for data in delivered(shard)}
    assert there == {b"second"}
    load.put()
    assert sorted(load.acknowledged + done) == list(range(1, len(KEYS) + 2))
    close()


def test_without_an_order_to_keep_a_shard_has_several_requests_under_way(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    outlet, close = outlet_on(kinesis, clock, keyed=False, connections=4)
    outlet.add(1, [bytes(1_000)] * 2_000, [None] * 2_000)
    outlet.flush()
    with kinesis.paused():
        outlet.put()
        assert outlet.in_flight == 4
    load = Load(outlet, clock)
    load.put()
    assert sorted(load.acknowledged) == list(range(1, 2_001))
    close()


def test_a_status_rides_in_front_and_is_said_until_kinesis_has_it(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    outlet, close = outlet_on(kinesis, clock, keyed=True)
    kinesis.faults.script("PutRecords", FailRecords(frozenset({0})), Refuse(status=503), Refuse(after=True))
    outlet.add(1, [b"record"], ["user-0"])
    outlet.announce(b"older", "web-7")
    outlet.announce(b"status", "web-7")
    load = Load(outlet, clock)
    load.put(requests=1)
    assert load.acknowledged == [1]
    assert not outlet.has_announced
    while not outlet.has_announced:
        clock.advance(outlet.wait_seconds())
        load.put(requests=1)
    assert [record.data for record in kinesis.records()] == [b"record", b"status", b"status"]
    assert outlet.wait_seconds() == 0
    close()


def test_statuses_go_out_while_every_record_is_refused(kinesis: KinesisDouble, load: Load) -> None:
    kinesis.faults.always("PutRecords", FailRecords(frozenset(range(1, 500))))
    load.add(range(10))
    for n in range(10):
        load.outlet.announce(b"%d" % n, "web-7")
        load.follow_map()
        load.put(requests=1)
        assert load.outlet.has_announced
    assert [record.data for record in kinesis.records()] == [b"%d" % n for n in range(10)]
    assert load.acknowledged == []


def test_a_newer_status_is_said_though_an_older_one_is_under_way(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    outlet, close = outlet_on(kinesis, clock, keyed=True)
    with kinesis.paused():
        outlet.announce(b"1", "web-7")
        outlet.put()
        outlet.announce(b"2", "web-7")
    while not outlet.has_announced:
        outlet.wait(5)
        outlet.put()
    assert [record.data for record in kinesis.records()] == [b"1", b"2"]
    close()


def test_close_brings_home_what_is_under_way(kinesis: KinesisDouble, clock: ManualClock) -> None:
    outlet, close = outlet_on(kinesis, clock, keyed=True)
    outlet.add(1, [b"record"], ["user-0"])
    outlet.flush()
    with kinesis.paused():
        outlet.put()
        assert outlet.in_flight == 1
    assert outlet.close() == [(1,)]
    close()


def test_four_requests_that_fail_together_back_off_as_one(kinesis: KinesisDouble, clock: ManualClock) -> None:
    outlet, close = outlet_on(kinesis, clock, keyed=False)
    outlet.add(1, [bytes(1_000)] * 2_000, [None] * 2_000)
    kinesis.down()
    Load(outlet, clock).put(requests=1)
    assert 0 < outlet.wait_seconds() <= 0.1
    kinesis.up()
    close()


def drained(outlet: Outlet, clock: ManualClock) -> list[int]:
    load = Load(outlet, clock)
    load.put()
    return sorted(load.acknowledged)


def test_a_record_of_ten_mebibytes_goes_alone_where_the_stream_takes_it(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    kinesis.stream().max_record_bytes = 10 << 20
    outlet, close = outlet_on(kinesis, clock, keyed=True)
    largest = outlet.largest_record
    assert largest == (10 << 20) - 1024
    outlet.add(1, [b"a", b"y" * largest, b"b"], ["user-0"] * 3)
    assert drained(outlet, clock) == [1, 2, 3]
    assert [data for shard in kinesis.stream().open for data in delivered(shard)] == [
        b"a",
        b"y" * largest,
        b"b",
    ]
    close()


def test_what_the_stream_does_not_take_is_given_back_for_another_to_go_in_its_place(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    outlet, close = outlet_on(kinesis, clock, keyed=True)
    outlet.add(1, [b"a", b"y" * (1 << 20), b"b"], ["user-0"] * 3)
    assert list(outlet.unfit) == [(2, b"y" * (1 << 20))]
    outlet.add(2, [b"instead"], [None])
    assert drained(outlet, clock) == [1, 2, 3]
    close()


@pytest.mark.parametrize("known_after_seconds", [0, 700])
def test_a_stream_that_takes_less_than_before_stops_nothing(
    kinesis: KinesisDouble, clock: ManualClock, known_after_seconds: int
) -> None:
    kinesis.stream().max_record_bytes = 10 << 20
    outlet, close = outlet_on(kinesis, clock, keyed=True)
    outlet.add(1, [b"y" * (2 << 20), b"z" * (5 << 20), b"b"], ["user-0", "user-1", "user-0"])
    kinesis.stream().max_record_bytes = 2 << 20
    clock.advance(known_after_seconds)
    while not outlet.unfit:
        outlet.put()
        outlet.wait(0.1)
    outlet.add(1, [b"one", b"two"], [None, None])
    assert [number for number, _ in outlet.unfit] == [1, 2]
    assert drained(outlet, clock) == [1, 2, 3]
    assert outlet.largest_record == (2 << 20) - 1024
    close()


def test_a_refusal_for_another_reason_is_raised_though_a_record_is_large(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    kinesis.stream().max_record_bytes = 10 << 20
    outlet, close = outlet_on(kinesis, clock, keyed=True)
    outlet.add(1, [b"y" * (2 << 20)], ["user-0"])
    kinesis.faults.script("PutRecords", Refuse("AccessDeniedException", 400))
    with pytest.raises(KinesisRefused, match="AccessDenied"):
        drained(outlet, clock)
    close()


def test_without_the_right_to_ask_the_usual_size_is_taken(kinesis: KinesisDouble, clock: ManualClock) -> None:
    kinesis.faults.always("DescribeStreamSummary", Refuse("AccessDeniedException", 400))
    outlet, close = outlet_on(kinesis, clock, keyed=True)
    assert outlet.largest_record == (1 << 20) - 1024
    close()


def test_the_state_of_the_stream_is_asked_for_now_and_then_and_may_stay_unanswered(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    outlet, close = outlet_on(kinesis, clock, keyed=True)
    kinesis.faults.script("ListShards", Refuse(status=503))
    clock.advance(600)
    for number in range(1, 5):
        outlet.add(number, [b"record"], ["user-0"])
        drained(outlet, clock)
        clock.advance(30)
    assert kinesis.calls.count("ListShards") == 3
    assert len(kinesis.records()) == 4
    close()


def test_when_every_shard_splits_what_hangs_is_waited_for_before_the_rest_is_sorted_anew(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    outlet, close = outlet_on(kinesis, clock, keyed=True, connections=2)
    load = Load(outlet, clock)
    kinesis.faults.script("PutRecords", Stall())
    outlet.add(1, [b"first"], ["user-0"])
    outlet.flush()
    load.put_once()
    while not kinesis.calls.count("PutRecords"):
        outlet.wait(0.01)
    for shard in kinesis.stream().open:
        kinesis.split(shard.shard_id)
    outlet.add(2, [b"second"] * len(KEYS) * 2, KEYS * 2)
    load.put()
    assert sorted(load.acknowledged) == list(range(1, 2 * len(KEYS) + 2))
    there = [data for shard in kinesis.stream().open for data in delivered(shard)]
    assert there.count(b"first") == 1
    holding = [shard for shard in kinesis.stream().open if b"first" in delivered(shard)]
    assert delivered(holding[0])[0] == b"first"
    close()


def test_a_changed_stream_is_followed_though_there_is_always_more_to_send(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    outlet, close = outlet_on(kinesis, clock, keyed=False, connections=4)
    kinesis.split(kinesis.stream().open[0].shard_id)
    number = 1
    for _ in range(100):
        while outlet.queued_bytes < 4 << 20:
            outlet.add(number, [bytes(1_000)] * 500, [None] * 500)
            number += 500
        outlet.put()
        if kinesis.calls.count("ListShards") == 2:
            break
        outlet.wait(5)
    assert kinesis.calls.count("ListShards") == 2
    close()
