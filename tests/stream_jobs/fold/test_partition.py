from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.kinesis.aggregation import UserRecord, aggregate
from headrace.schemas import codec
from headrace.schemas.codec import Stage, encode
from headrace.schemas.records.web_access import WebAccess
from headrace.schemas.records.wiki_edit import WikiEdit
from headrace.schemas.registry import OUTPUTS
from headrace.schemas.sketches import register_of
from headrace.warehouse.batch import Exclusions
from headrace.warehouse.ranges import RangeSet
from stream_jobs.fold import intake, partition, windows
from stream_jobs.fold.minutes import total
from stream_jobs.fold.partial import Partial
from stream_jobs.fold.partition import fold_partition
from tests.stream_jobs.fold.generated import NOON, partitions
from tests.stream_jobs.fold.model import Arrived, Expected, batches_of, fold

NOTHING = Exclusions()


def access(number: int, source: str = "web-1/A", **fields: Any) -> bytes:
    values: dict[str, Any] = {"client_address": "203.0.113.9", "method": "GET", "path": "/", "status": 200}
    return encode(source, number, NOON, WebAccess(**(values | fields)))


def at_noon(*raws: bytes) -> list[Arrived]:
    return [Arrived(raw, NOON) for raw in raws]


def check(partial: Partial, expected: Expected) -> None:
    assert _sets(partial.counted) == {s: n for s, n in expected.counted.items() if n}
    assert _sets(partial.rejected) == {s: n for s, n in expected.rejected.items() if n}
    assert partial.dropped == expected.dropped
    assert partial.minutes is not None
    assert total([partial.minutes]) == {place: tuple(counts) for place, counts in expected.minutes.items()}
    assert partial.types == expected.types
    assert (
        0 if partial.rejects is None else sum(partial.rejects["seen"].to_pylist())
    ) == expected.reject_count
    for name, output in OUTPUTS.items():
        keys = ["window_start", "window_end", *(key.name for key in output.keys)]
        assert _rows(partial.windows, name, keys) == expected.windows.get(name, {})
        part_keys = ["window_start", *(key.name for key in output.keys), "measure", "part"]
        parts = _rows(partial.parts, name, part_keys)
        assert {key: row["n"] for key, row in parts.items()} == expected.parts.get(name, {})


def _sets(ranges: Any) -> dict[str, set[int]]:
    return {s: {n for a, b in found.pairs() for n in range(a, b + 1)} for s, found in ranges.items()}


def _rows(tables: Any, name: str, keys: list[str]) -> dict[tuple[Any, ...], Counter[str]]:
    rows = tables[name].to_pylist() if name in tables else []
    found = {tuple(row.pop(key) for key in keys): Counter(row) for row in rows}
    assert len(found) == len(rows)
    return found


@given(partitions)
def test_a_partition_folds_to_what_plain_python_makes_of_it(records: list[Arrived]) -> None:
    check(fold_partition(batches_of(records), 0, NOTHING), fold(records))


@given(partitions, st.integers(1, 7))
def test_aggregation_changes_nothing(records: list[Arrived], size: int) -> None:
    together = [
        Arrived(aggregate([UserRecord("k", None, r.raw) for r in records[i : i + size]]), NOON)
        for i in range(0, len(records), size)
    ]
    alone = [Arrived(record.raw, NOON) for record in records]
    check(fold_partition(batches_of(together), 0, NOTHING), fold(alone))


@given(partitions)
@settings(max_examples=25)
def test_the_size_of_the_blocks_changes_nothing(records: list[Arrived]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "_BLOCK", 2)
        check(fold_partition(batches_of(records), 0, NOTHING), fold(records))


def test_excluded_numbers_are_dropped_and_counted_as_duplicates() -> None:
    records = at_noon(*(access(number) for number in range(1, 6)), b"no json")
    everywhere = Exclusions(duplicates={("web-1/A", None): RangeSet.of((1, 2))})
    here = Exclusions(duplicates={("web-1/A", 7): RangeSet.of((1, 2))})
    elsewhere = Exclusions(duplicates={("web-1/A", 8): RangeSet.of((1, 2))})
    for exclusions, counted in ((everywhere, (3, 5)), (here, (3, 5)), (elsewhere, (1, 5))):
        partial = fold_partition(batches_of(records), 7, exclusions)
        assert partial.counted == {"web-1/A": RangeSet.of(counted)}
        assert (
            sum(partial.windows["web_traffic_1m"]["records"].to_pylist()) == partial.counted["web-1/A"].size
        )
        assert partial.dropped.get("web-1/A", 0) == 5 - partial.counted["web-1/A"].size


def test_a_bad_copy_of_an_excluded_number_leaves_no_reject() -> None:
    exclusions = Exclusions(duplicates={("web-1/A", None): RangeSet.of((1, 1))})
    partial = fold_partition(batches_of(at_noon(access(1).replace(b"200", b'"200"'))), 0, exclusions)
    assert partial.rejects is None
    assert partial.dropped == {"web-1/A": 1}


def test_a_number_too_scattered_to_keep_is_rejected_whole_and_enters_no_range() -> None:
    exclusions = Exclusions(too_scattered={"web-1/A": RangeSet.of((2, 2))})
    raws = [access(1), access(2)]
    together = aggregate([UserRecord("k", None, raw) for raw in raws])
    partial = fold_partition(batches_of(at_noon(together)), 0, exclusions)
    assert partial.counted == {"web-1/A": RangeSet.of((1, 1))}
    assert partial.rejected == {}
    assert partial.types == {"web_access.v1": 1}
    assert partial.rejects is not None
    assert partial.minutes is not None
    assert total([partial.minutes]) == {("web_access.v1", NOON): (1, 1)}
    (row,) = partial.rejects.to_pylist()
    assert (row["code"], row["source"], row["sequence"], row["raw"]) == (
        "too_scattered",
        "web-1/A",
        2,
        raws[1],
    )


def test_what_arrives_is_counted_per_type_and_minute_of_arrival_copies_apart() -> None:
    minute = timedelta(minutes=1)
    wrong = access(3).replace(b"200", b'"200"')
    of_a_stranger = access(5).replace(b"web_access.v1", b"web_access.v9")
    records = [
        Arrived(access(1), NOON),
        Arrived(access(1), NOON),  # a copy
        Arrived(access(2), NOON + minute - timedelta(microseconds=1)),
        Arrived(wrong, NOON + minute),
        Arrived(wrong, NOON + 9 * minute),  # a copy
        Arrived(b"garbage", NOON + minute),
        Arrived(b"garbage", NOON + minute),
        Arrived(of_a_stranger, NOON + 2 * minute),
    ]
    partial = fold_partition(batches_of(records), 0, NOTHING)
    assert partial.minutes is not None
    assert total([partial.minutes]) == {
        ("web_access.v1", NOON): (2, 0),
        ("web_access.v1", NOON + minute): (0, 1),
        ("", NOON + minute): (0, 2),
        ("", NOON + 2 * minute): (0, 1),
    }


def test_a_reject_keeps_the_record_its_reasons_and_its_place() -> None:
    raw = access(4, status=200).replace(b'"status":200', b'"status":"x"')
    partial = fold_partition(batches_of(at_noon(access(1), raw, raw)), 0, NOTHING)
    assert partial.rejects is not None
    (row,) = partial.rejects.to_pylist()
    assert row["raw"] == raw
    assert row["stage"] == Stage.STREAM_JOB
    assert row["code"] == "wrong_type"
    assert "$.data.status" in row["errors"]
    assert (row["source"], row["sequence"]) == ("web-1/A", 4)
    assert (row["shard"], row["shard_sequence"]) == ("shardId-000000000000", "2")
    assert partial.dropped == {"web-1/A": 1}


def test_garbage_that_comes_again_is_one_row_seen_twice() -> None:
    partial = fold_partition(batches_of(at_noon(b"garbage", b"garbage")), 0, NOTHING)
    assert partial.rejects is not None
    assert partial.rejects["seen"].to_pylist() == [2]


def test_sums_are_exact_beyond_64_bits() -> None:
    largest = 2**53 - 1
    records = at_noon(*(access(number, bytes=largest) for number in range(1, 2001)))
    partial = fold_partition(batches_of(records), 0, NOTHING)
    (row,) = partial.windows["web_traffic_1m"].to_pylist()
    assert row["bytes"] == 2000 * largest > 2**63


def test_sums_of_negative_values_are_exact_beyond_64_bits() -> None:
    largest = 2**53 - 1
    shrunk = WikiEdit(
        event_id="7", wiki="enwiki", kind="edit", length_old=largest, length_new=0, length_delta=-largest
    )
    records = at_noon(*(encode("wiki-1/A", number, NOON, shrunk) for number in range(1, 2001)))
    partial = fold_partition(batches_of(records), 0, NOTHING)
    (row,) = partial.windows["wiki_edits_1m"].to_pylist()
    assert row["net_bytes"] == -2000 * largest < -(2**63)


def test_a_record_on_which_our_code_fails_becomes_a_reject_and_the_others_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    def faulty(text: str) -> tuple[int, int]:
        if text == "poison":
            raise ZeroDivisionError("a bug of ours")
        return register_of(text)

    monkeypatch.setattr(windows, "_register_of", faulty)
    poisoned = access(2, client_address="poison")
    together = aggregate([UserRecord("k", None, raw) for raw in (access(1), poisoned, access(3))])
    partial = fold_partition(batches_of(at_noon(together, *(access(n) for n in range(4, 10)))), 0, NOTHING)
    assert partial.counted == {"web-1/A": RangeSet.of((1, 1), (3, 9))}
    assert partial.rejected == {"web-1/A": RangeSet.of((2, 2))}
    assert partial.rejects is not None
    (row,) = partial.rejects.to_pylist()
    assert (row["code"], row["raw"]) == ("job_fault", poisoned)
    assert "ZeroDivisionError" in row["errors"]


def test_a_record_on_which_the_codec_fails_becomes_a_reject_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(raw: bytes) -> Any:
        if b"poison" in raw:
            raise ZeroDivisionError("a bug of ours")
        return codec.decode(raw)

    monkeypatch.setattr(partition, "decode", faulty)
    partial = fold_partition(batches_of(at_noon(access(1), b"poison", access(3))), 0, NOTHING)
    assert partial.counted == {"web-1/A": RangeSet.of((1, 1), (3, 3))}
    assert partial.rejects is not None
    assert partial.rejects["raw"].to_pylist() == [b"poison"]


def test_a_bug_that_no_single_record_explains_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: Any) -> Any:
        raise ZeroDivisionError("always")

    monkeypatch.setattr(partition, "settle", faulty)
    with pytest.raises(ZeroDivisionError):
        fold_partition(batches_of([]), 0, NOTHING)


def test_a_reject_from_the_producer_and_one_of_our_own_with_one_id_name_both_stages() -> None:
    rejection = codec.decode(b"garbage")
    assert isinstance(rejection, codec.Rejection)
    passed = codec.reject_event(rejection, stage=Stage.PRODUCER, source="web-1/A", sequence=3, time=NOON)
    for order in ([b"garbage", passed], [passed, b"garbage"]):
        rejects = fold_partition(batches_of(at_noon(*order)), 0, NOTHING).rejects
        assert rejects is not None
        (row,) = rejects.to_pylist()
        assert (row["stage"], row["seen"]) == ("producer,stream_job", 2)
        assert (row["source"], row["sequence"]) == ("web-1/A", 3)
