import json
from collections.abc import Iterator

import pytest

from headrace.kinesis.boto3_client import Boto3Client
from lambdas.transform.error_stream import MAX_REQUEST_BYTES, ErrorStream
from lambdas.transform.rejects import Parcel
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import FailRecords, HalfOfResults, Nothing, Refuse, Reset


class Function:
    """One call of the function: its stream, and the time that it has."""

    def __init__(self, clock: ManualClock, seconds: float = 60) -> None:
        self.clock, self.ends = clock, clock.monotonic() + seconds
        self.client = Boto3Client(clock, connect_seconds=2, read_seconds=2)
        self.stream = ErrorStream(self.client, "errors", clock.sleep, lambda: 0.5)

    def put(self, *parcels: Parcel) -> list[bool]:
        return self.stream.put(parcels, lambda: round((self.ends - self.clock.monotonic()) * 1000))


@pytest.fixture
def function(kinesis: KinesisDouble, clock: ManualClock) -> Iterator[Function]:
    assert kinesis.url
    made = Function(clock)
    yield made
    made.client.close()


def parcels(number: int, size: int = 10) -> list[Parcel]:
    return [Parcel(f"{at:064x}", b"%05d" % at + b"x" * (size - 5)) for at in range(number)]


def stored(kinesis: KinesisDouble) -> list[tuple[str, bytes]]:
    return sorted((record.partition_key, record.data) for record in kinesis.records("errors"))


def as_stored(some: list[Parcel]) -> list[tuple[str, bytes]]:
    return sorted((parcel.key, parcel.data) for parcel in some)


def test_parcels_are_put_under_their_keys(kinesis: KinesisDouble, function: Function) -> None:
    some = parcels(3)
    assert function.put(*some) == [True] * 3
    assert stored(kinesis) == as_stored(some)
    assert kinesis.calls == ["PutRecords"]


@pytest.mark.parametrize(("number", "size", "calls"), [(1001, 10, 3), (13, 900_000, 3), (500, 10, 1)])
def test_requests_stay_within_the_limits(
    kinesis: KinesisDouble, function: Function, number: int, size: int, calls: int
) -> None:
    kinesis.requests = []
    some = parcels(number, size)
    assert function.put(*some) == [True] * number
    assert stored(kinesis) == as_stored(some)
    bodies = [json.loads(request.body)["Records"] for request in kinesis.requests]
    assert len(bodies) == calls
    for records in bodies:
        assert len(records) <= 500
        assert sum(len(r["Data"]) * 3 // 4 + len(r["PartitionKey"]) for r in records) <= MAX_REQUEST_BYTES + 8


def test_only_what_failed_is_put_again(kinesis: KinesisDouble, function: Function) -> None:
    some = parcels(5)
    kinesis.faults.script(
        "PutRecords", FailRecords(frozenset({1, 3})), FailRecords(frozenset({0}), "InternalFailure")
    )
    assert function.put(*some) == [True] * 5
    assert stored(kinesis) == as_stored(some)  # none twice
    assert kinesis.calls == ["PutRecords"] * 3
    assert function.clock.monotonic() == pytest.approx(0.5 * 0.1 + 0.5 * 0.2)


@pytest.mark.parametrize(
    "fault", [Reset(), Reset(after=True), Refuse("InternalFailure", 500), HalfOfResults()]
)
def test_a_call_that_fails_is_made_again(
    kinesis: KinesisDouble, function: Function, fault: Reset | Refuse | HalfOfResults
) -> None:
    kinesis.faults.script("PutRecords", fault)
    some = parcels(4)
    assert function.put(*some) == [True] * 4
    assert set(stored(kinesis)) == set(as_stored(some))


def test_a_stream_that_throttles_on_costs_twenty_seconds_at_most(
    kinesis: KinesisDouble, function: Function
) -> None:
    kinesis.faults.always("PutRecords", FailRecords(frozenset({0})))
    assert function.put(*parcels(3)) == [False, True, True]
    assert 13 < function.clock.monotonic() <= 20
    assert len(kinesis.records("errors")) == 2


@pytest.mark.parametrize(("seconds", "calls"), [(7.9, 0), (8.1, 1)])
def test_no_call_begins_that_could_outlast_the_function(
    kinesis: KinesisDouble, clock: ManualClock, seconds: float, calls: int
) -> None:
    kinesis.faults.always("PutRecords", FailRecords())
    clock.sleep(1)
    assert Function(clock, seconds).put(*parcels(2)) == [False, False]
    assert bool(kinesis.calls) == bool(calls)
    assert clock.monotonic() < 1 + seconds - 2


def test_what_is_refused_is_not_asked_again(kinesis: KinesisDouble, function: Function) -> None:
    kinesis.faults.always("PutRecords", Refuse("AccessDeniedException", 400))
    assert function.put(*parcels(501)) == [False] * 501
    assert kinesis.calls == ["PutRecords"] * 2
    assert function.clock.monotonic() == 0


def test_a_refused_request_does_not_cost_the_others(kinesis: KinesisDouble, function: Function) -> None:
    kinesis.faults.script("PutRecords", Refuse("ValidationException", 400), Nothing())
    assert function.put(*parcels(501)) == [False] * 500 + [True]


def test_a_parcel_longer_than_the_stream_takes_is_not_even_tried(
    kinesis: KinesisDouble, function: Function
) -> None:
    fits = Parcel("a" * 64, b"x" * ((1 << 20) - 64))
    long = Parcel("b" * 64, b"x" * ((1 << 20) - 63))
    assert function.put(long, fits) == [False, True]
    assert stored(kinesis) == as_stored([fits])
