from collections import Counter
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.batch import Exclusions, FoldedBatch
from headrace.warehouse.ledger import exclusions
from headrace.warehouse.ranges import RangeSet
from stream_jobs.fold.merge import merge
from stream_jobs.fold.partial import from_rows, to_rows
from stream_jobs.fold.partition import fold_partition
from stream_jobs.source.offsets import ShardOffset
from stream_jobs.source.rows import marker_rows
from tests.stream_jobs.fold.generated import partitions
from tests.stream_jobs.fold.model import Arrived, Expected, batches_of, fold


def fold_batch(split: list[list[Arrived]], excluded: Exclusions) -> FoldedBatch:
    """As the job does it: each partition in a task, the partials as rows to the driver."""
    tasks = [
        to_rows(fold_partition(batches_of(records), number, excluded)) for number, records in enumerate(split)
    ]
    return merge(from_rows(pa.Table.from_batches(tasks)), OUTPUTS)


@given(st.lists(partitions, min_size=1, max_size=3))
def test_a_batch_in_any_number_of_partitions_folds_to_the_same_numbers(split: list[list[Arrived]]) -> None:
    batch = fold_batch(split, Exclusions())
    found = exclusions({}, batch)
    if found:
        batch = fold_batch(split, found)
    check(batch, fold([record for records in split for record in records]))


def check(batch: FoldedBatch, expected: Expected) -> None:
    assert _numbers(batch.counted) == {s: n for s, n in expected.counted.items() if n}
    assert _numbers(batch.rejected) == {s: n for s, n in expected.rejected.items() if n}
    assert batch.types == expected.types
    assert batch.dropped == expected.dropped
    assert batch.minutes == {place: tuple(counts) for place, counts in expected.minutes.items()}
    for name, output in OUTPUTS.items():
        keys = ["window_start", "window_end", *(key.name for key in output.keys)]
        assert _rows(batch.windows, name, keys) == expected.windows.get(name, {})
        part_keys = ["window_start", *(key.name for key in output.keys), "measure", "part"]
        parts = _rows(batch.parts, name, part_keys)
        assert {key: row["n"] for key, row in parts.items()} == expected.parts.get(name, {})
    rejects = batch.rejects.to_pylist() if batch.rejects is not None else []
    assert len({row["id"] for row in rejects}) == len(rejects)
    assert sum(row["seen"] for row in rejects) == expected.reject_count


def _numbers(ranges: Any) -> dict[str, set[int]]:
    found: dict[str, RangeSet] = {}
    for (source, _), numbers in ranges.items():
        assert not found.get(source, RangeSet()) & numbers
        found[source] = found.get(source, RangeSet()) | numbers
    return {s: {n for a, b in numbers.pairs() for n in range(a, b + 1)} for s, numbers in found.items()}


def _rows(tables: Any, name: str, keys: list[str]) -> dict[tuple[Any, ...], Counter[str]]:
    rows = tables[name].to_pylist() if name in tables else []
    found = {tuple(row.pop(key) for key in keys): Counter(row) for row in rows}
    assert len(found) == len(rows)
    return found


def test_markers_become_the_progress_of_their_shards() -> None:
    shards = {
        "shard-b": ShardOffset(origin="TRIM_HORIZON", position="42", frontier=1_500_000, closed=True),
        "shard-a": ShardOffset(origin="TRIM_HORIZON", position="TRIM_HORIZON", parents=("b", "c")),
    }
    progress = merge([fold_partition([marker_rows("events", shards)], 0, Exclusions())], OUTPUTS).progress
    assert [(p.shard, p.position, p.closed, p.parents) for p in progress] == [
        ("shard-a", "", False, ("b", "c")),
        ("shard-b", "42", True, ()),
    ]
    assert progress[1].frontier.isoformat() == "1970-01-01T00:00:01.500000+00:00"


def test_a_batch_without_rows_is_empty() -> None:
    schema = to_rows(fold_partition(batches_of([]), 0, Exclusions())).schema
    batch = merge(from_rows(schema.empty_table()), OUTPUTS)
    assert not batch.progress
    assert not batch.counted
