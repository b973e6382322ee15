"""The judge of the torture tests finds what it is there to find."""

from collections.abc import Callable, Iterator

import msgspec
import pytest

from headrace.kinesis.aggregation import UserRecord, aggregate
from tests.doubles.kinesis import KinesisDouble
from tests.producers.verdict import Line, Verdict, hash_of, judge

LOW, HIGH = "a", "b"
"""Two keys, by the half of the hash keys that they lie in."""


@pytest.fixture
def kinesis() -> Iterator[KinesisDouble]:
    with KinesisDouble() as double:
        double.create_stream("events", shards=1)
        yield double


def line_of(data: bytes) -> Line:
    key, _, number = msgspec.json.decode(data, type=str).partition(":")
    return Line(int(number), key)


def record(number: int, key: str, line: int | None = None) -> bytes:
    data = f"{key}:{number if line is None else line}"
    told = {"type": "user_signup.v1", "source": "web-7/1", "sequence": f"{number:016d}", "data": data}
    return msgspec.json.encode(told)


def say(kinesis: KinesisDouble, spooled: int) -> None:
    data = {"spooled": spooled, "acknowledged": spooled, "closed": True}
    told = {"type": "producer_status.v1", "source": "web-7/1", "data": data}
    kinesis.put("events", msgspec.json.encode(told))


def put(kinesis: KinesisDouble, *records: tuple[int, str]) -> None:
    for number, key in records:
        kinesis.put("events", record(number, key), key)


def put_together(kinesis: KinesisDouble, *records: tuple[int, str]) -> None:
    inside = [UserRecord(key, None, record(number, key)) for number, key in records]
    kinesis.put("events", aggregate(inside), "a", str(hash_of(records[0][1])))


@pytest.fixture
def verdict(kinesis: KinesisDouble) -> Callable[[int], Verdict]:
    def of(spooled: int) -> Verdict:
        say(kinesis, spooled)
        return judge(kinesis.stream(), line_of)

    return of


def test_the_two_keys_are_what_they_are_called() -> None:
    assert hash_of(LOW) < 1 << 127 <= hash_of(HIGH)


def test_it_finds_nothing_where_nothing_is_wrong(
    kinesis: KinesisDouble, verdict: Callable[[int], Verdict]
) -> None:
    put(kinesis, (1, LOW), (2, HIGH), (3, LOW))
    put_together(kinesis, (2, HIGH), (3, LOW), (4, LOW))
    found = verdict(4)
    assert (found.lost, found.line_counts, found.copies) == ([], [1, 2, 3, 4], 2)
    assert found.conflicts == found.inversions == found.astray == []
    assert found.wrongly_made == []
    assert found.closed == {"web-7/1"}


def test_it_finds_a_number_that_is_lost(kinesis: KinesisDouble, verdict: Callable[[int], Verdict]) -> None:
    put(kinesis, (1, LOW), (3, LOW))
    assert verdict(4).lost == [("web-7/1", 2), ("web-7/1", 4)]


def test_it_finds_a_line_under_two_numbers(kinesis: KinesisDouble, verdict: Callable[[int], Verdict]) -> None:
    put(kinesis, (1, LOW))
    kinesis.put("events", record(2, LOW, line=1), LOW)
    assert verdict(2).line_counts == [1, 1]


def test_it_finds_a_number_with_two_contents(
    kinesis: KinesisDouble, verdict: Callable[[int], Verdict]
) -> None:
    put(kinesis, (1, LOW))
    kinesis.put("events", record(1, LOW, line=2), LOW)
    assert verdict(1).conflicts == [("web-7/1", 1)]


def test_it_finds_a_first_copy_that_was_overtaken(
    kinesis: KinesisDouble, verdict: Callable[[int], Verdict]
) -> None:
    put(kinesis, (2, LOW), (3, HIGH), (1, LOW), (4, LOW), (2, LOW))
    assert verdict(4).inversions == [("web-7/1", 1)]


def test_it_reads_parents_before_children(kinesis: KinesisDouble, verdict: Callable[[int], Verdict]) -> None:
    put(kinesis, (1, LOW))
    (low, high) = kinesis.split("shardId-000000000000")
    put(kinesis, (2, HIGH), (3, LOW))
    kinesis.merge(low.shard_id, high.shard_id)
    put(kinesis, (5, LOW), (4, HIGH))
    assert verdict(5).inversions == []


def test_what_kcl_discards_does_not_count(kinesis: KinesisDouble, verdict: Callable[[int], Verdict]) -> None:
    kinesis.split("shardId-000000000000")
    put_together(kinesis, (1, LOW), (2, HIGH))  # right before the split
    put(kinesis, (1, LOW))
    found = verdict(2)
    assert (found.discarded, found.wrongly_made, found.lost) == (1, [], [("web-7/1", 2)])


def test_it_finds_an_aggregate_that_was_never_right(
    kinesis: KinesisDouble, verdict: Callable[[int], Verdict]
) -> None:
    kinesis.create_stream("other", shards=2)
    inside = [UserRecord(key, None, record(n, key)) for n, key in enumerate((LOW, HIGH), 1)]
    wrong = kinesis.put("other", aggregate(inside), "a", "0")
    assert judge(kinesis.stream("other"), line_of).wrongly_made == [wrong.sequence]
    assert verdict(0).wrongly_made == []


def test_it_finds_a_record_in_a_shard_of_another_key(
    kinesis: KinesisDouble, verdict: Callable[[int], Verdict]
) -> None:
    kinesis.split("shardId-000000000000")
    kinesis.put("events", record(1, LOW), LOW, str(hash_of(HIGH)))
    assert verdict(1).astray == [("web-7/1", 1)]


def test_an_aggregate_may_be_older_than_two_reshardings(
    kinesis: KinesisDouble, verdict: Callable[[int], Verdict]
) -> None:
    (low, _) = kinesis.split("shardId-000000000000")
    kinesis.split(low.shard_id)
    put_together(kinesis, (1, LOW), (2, HIGH))
    assert (verdict(0).discarded, verdict(0).wrongly_made) == (1, [])
