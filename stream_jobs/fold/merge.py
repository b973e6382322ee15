"""Merges the partials of a batch's partitions into what the warehouse commits."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC

import pyarrow as pa

from headrace.schemas.measures import Distinct
from headrace.schemas.outputs import WindowedOutput
from headrace.warehouse.batch import FoldedBatch, ShardProgress, Status
from stream_jobs.fold.minutes import total
from stream_jobs.fold.partial import Partial
from stream_jobs.fold.reject_rows import fold_by_id
from stream_jobs.source.offsets import is_sequence
from stream_jobs.source.rows import Marker, read_markers

_GROUP_COLUMNS = ("window_start", "window_end")


def merge(partials: Sequence[Partial], outputs: Mapping[str, WindowedOutput]) -> FoldedBatch:
    """One batch out of its partitions: ranges stay apart by partition, everything else is added up."""
    return FoldedBatch(
        counted={(s, p.partition): numbers for p in partials for s, numbers in p.counted.items()},
        rejected={(s, p.partition): numbers for p in partials for s, numbers in p.rejected.items()},
        dropped=_sum(partial.dropped for partial in partials),
        types=_sum(partial.types for partial in partials),
        windows={
            name: _windows(output, tables)
            for name, output in outputs.items()
            if (tables := [p.windows[name] for p in partials if name in p.windows])
        },
        parts={
            name: _parts(output, tables)
            for name, output in outputs.items()
            if (tables := [p.parts[name] for p in partials if name in p.parts])
        },
        minutes=total([p.minutes for p in partials if p.minutes is not None]),
        rejects=_rejects([p.rejects for p in partials if p.rejects is not None]),
        statuses=[status for partial in partials for status in _statuses(partial.statuses)],
        progress=[_progress(marker) for marker in markers_of(partials)],
    )


def markers_of(partials: Iterable[Partial]) -> list[Marker]:
    """The batch's markers, one per shard, by shard."""
    found = [m for p in partials if p.markers is not None for m in read_markers(p.markers)]
    return sorted(found)


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in counts:
        total.update(part)
    return dict(total)


def _windows(output: WindowedOutput, tables: Sequence[pa.Table]) -> pa.Table:
    if len(tables) == 1:
        return tables[0]
    group = [*_GROUP_COLUMNS, *(key.name for key in output.keys)]
    return _grouped(pa.concat_tables(tables), group, "sum")


def _parts(output: WindowedOutput, tables: Sequence[pa.Table]) -> pa.Table:
    """Log buckets add up, registers keep the greatest rank."""
    if len(tables) == 1:
        return tables[0]
    group = ["window_start", *(key.name for key in output.keys), "measure", "part"]
    rows = pa.concat_tables(tables)
    ranks = pa.array(sorted({m.field for m in output.sketched if isinstance(m, Distinct)}), pa.string())
    is_rank = pa.compute.is_in(rows["measure"], ranks)
    buckets = _grouped(rows.filter(pa.compute.invert(is_rank)), group, "sum")
    return pa.concat_tables([buckets, _grouped(rows.filter(is_rank), group, "max")])


def _grouped(rows: pa.Table, group: list[str], how: str) -> pa.Table:
    """One row per group; the other columns aggregated, types and order kept."""
    measures = [name for name in rows.column_names if name not in group]
    grouped = rows.group_by(group, use_threads=False).aggregate([(name, how) for name in measures])
    columns = {name: grouped[name if name in group else f"{name}_{how}"] for name in rows.column_names}
    return pa.table(columns).cast(rows.schema)


def _rejects(tables: Sequence[pa.Table]) -> pa.Table | None:
    if len(tables) <= 1:
        return tables[0] if tables else None
    return fold_by_id(row for table in tables for row in table.to_pylist())


def _statuses(table: pa.Table | None) -> list[Status]:
    rows = [] if table is None else table.to_pylist()
    return [Status(**row | {"arrived_at": row["arrived_at"].astimezone(UTC)}) for row in rows]


def _progress(marker: Marker) -> ShardProgress:
    position = marker.position if is_sequence(marker.position) else ""
    return ShardProgress(marker.shard, position, marker.frontier, marker.closed, marker.parents)
