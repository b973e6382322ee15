"""One batch into the tables, inside a transaction that the caller has opened and guarded."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import cast

import pyarrow as pa

from headrace.errors import WarehouseRefused
from headrace.schemas.measures import Distinct
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.tables import Table
from headrace.schemas.targets.sql import quote
from headrace.warehouse import merge_sql, sketch_sql
from headrace.warehouse import system_tables as system
from headrace.warehouse.batch import FoldedBatch, ShardProgress, Status
from headrace.warehouse.session import Cursor
from headrace.warehouse.staging import check_unique, conform, harmless, rows_of


def stage_windows(
    cursor: Cursor, outputs: Mapping[str, WindowedOutput], batch: FoldedBatch, now: datetime
) -> None:
    """Bring the batch's partial results and parts into staging tables."""
    if unknown := (batch.windows.keys() | batch.parts.keys()) - outputs.keys():
        raise WarehouseRefused(f"the batch has outputs that were not prepared: {sorted(unknown)}")
    for name, rows in batch.windows.items():
        output = outputs[name]
        if rows.num_rows:
            constants = {**_unsketched(output), "updated_at": now}
            _stage(cursor, output.table(), rows, merge_sql.window_keys(output), constants)
    for name, rows in batch.parts.items():
        if rows.num_rows:
            _stage(cursor, _parts_table(outputs[name]), rows, merge_sql.part_keys(outputs[name]))


def merge_windows(cursor: Cursor, outputs: Mapping[str, WindowedOutput], batch: FoldedBatch) -> None:
    """Merge what was staged into every windowed table, then recompute the columns that have parts."""
    for name, rows in batch.windows.items():
        if rows.num_rows:
            output = outputs[name]
            cursor.execute(merge_sql.merge_windows(output, _stage_name(output.table())))
    for name, rows in batch.parts.items():
        if rows.num_rows:
            output, parts = outputs[name], _parts_table(outputs[name])
            cursor.execute(merge_sql.merge_parts(output, parts, _stage_name(parts)))
            for statement in sketch_sql.recompute(output, parts, _stage_name(parts)):
                cursor.execute(statement)


def merge_rejects(cursor: Cursor, rejects: pa.Table | None) -> None:
    """One row per id; a repeat adds to `seen`."""
    if rejects is not None and rejects.num_rows:
        rows = harmless(system.REJECTS, conform(system.REJECTS, rejects))
        _merge(cursor, system.REJECTS, rows)


def merge_rejects_in_parts(cursor: Cursor, parts: Iterable[pa.Table]) -> None:
    """The same for more rejects than fit into memory: ids may repeat from part to part."""
    dropped = f"DROP TABLE {quote(_stage_name(system.REJECTS))}"
    for rejects in parts:
        if rejects.num_rows:
            merge_rejects(cursor, rejects)
            cursor.execute(dropped)


def merge_types(cursor: Cursor, types: Mapping[str, int]) -> None:
    """Add the good records to their type's count."""
    rows = [(name, count) for name, count in types.items() if count]
    merge_rows(cursor, system.LEDGER_TYPES, rows)


def merge_minutes(cursor: Cursor, minutes: Mapping[tuple[str, datetime], tuple[int, int]]) -> None:
    """Add what arrived to its type's minutes."""
    merge_rows(cursor, system.TYPE_MINUTES, [(*place, *counts) for place, counts in minutes.items()])


def merge_sources(
    cursor: Cursor, seen: Mapping[str, int], replayed: Mapping[str, int], batch: FoldedBatch, now: datetime
) -> None:
    """What producers say about themselves, their highest numbers, duplicates, and what replays put right."""
    said = _latest(batch.statuses)
    rows = []
    for source in {*seen, *batch.dropped, *said}:
        status = said.get(source)
        words = (status.spooled, status.acknowledged, status.closed, status.arrived_at) if status else _SILENT
        rows.append(
            (source, seen.get(source, 0), batch.dropped.get(source, 0), *words, replayed.get(source, 0), now)
        )
    merge_rows(cursor, system.LEDGER_SOURCES, rows)


def merge_progress(cursor: Cursor, stream: str, progress: Iterable[ShardProgress], now: datetime) -> None:
    """Move each shard's position and frontier forward, never back."""
    held = {entry.shard: entry.position for entry in read_progress(cursor, stream)}
    rows = []
    for entry in progress:
        position = max(entry.position, held.get(entry.shard, ""), key=_place)
        parent, adjacent = (*entry.parents, "", "")[:2]
        rows.append((stream, entry.shard, position, entry.frontier, entry.closed, parent, adjacent, now))
    merge_rows(cursor, system.SHARD_PROGRESS, rows)


def read_progress(cursor: Cursor, stream: str) -> list[ShardProgress]:
    """How far each shard of the stream has been committed, by shard."""
    cursor.execute(
        "SELECT shard, read_position, frontier, closed, parent, adjacent_parent FROM shard_progress "
        "WHERE stream = %s ORDER BY shard",
        [stream],
    )
    return [
        ShardProgress(shard, position, frontier, closed, tuple(p for p in (parent, adjacent) if p))
        for shard, position, frontier, closed, parent, adjacent in cast("Iterable[_ProgressRow]", cursor)
    ]


def read_frontier(cursor: Cursor) -> datetime | None:
    """The instant that every shard has been read up to; None before any batch."""
    cursor.execute("SELECT frontier FROM frontier")
    return cast("tuple[datetime | None]", cursor.fetchone() or (None,))[0]


_SILENT = (0, 0, False, None)
_ProgressRow = tuple[str, str, datetime, bool, str, str]


def _latest(statuses: Iterable[Status]) -> dict[str, Status]:
    """One status per source, each field the greatest."""
    said: dict[str, Status] = {}
    for status in statuses:
        held = said.get(status.source, status)
        said[status.source] = Status(
            status.source,
            max(held.spooled, status.spooled),
            max(held.acknowledged, status.acknowledged),
            held.closed or status.closed,
            max(held.arrived_at, status.arrived_at),
        )
    return said


def _place(position: str) -> tuple[int, str]:
    """Kinesis sequence numbers are decimal numbers of varying length; '' is before all."""
    digits = position.lstrip("0")
    return len(digits), digits


def _unsketched(output: WindowedOutput) -> dict[str, object]:
    """The sketched columns of a window without parts: no quantile, and 0 distinct values."""
    return {measure.name: 0 if isinstance(measure, Distinct) else None for measure in output.sketched}


def _parts_table(output: WindowedOutput) -> Table:
    parts = output.parts_table()
    if parts is None:
        raise WarehouseRefused(f"{output.name} has no quantile or distinct count, so it has no parts")
    return parts


def _stage_name(table: Table) -> str:
    return f"stage_{table.name}"


def _stage(
    cursor: Cursor,
    table: Table,
    rows: pa.Table,
    keys: Iterable[str],
    constants: Mapping[str, object] | None = None,
) -> None:
    conformed = conform(table, rows, constants)
    check_unique(table, conformed, tuple(keys))
    cursor.stage(table, _stage_name(table), [conformed])


def _merge(cursor: Cursor, table: Table, rows: pa.Table) -> None:
    keys, rules = merge_sql.MERGE_RULES[table.name]
    _stage(cursor, table, rows, keys)
    cursor.execute(merge_sql.merge(table, _stage_name(table), keys, rules))


def merge_rows(cursor: Cursor, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    """Merge whole rows into a system table by its rules."""
    if rows:
        _merge(cursor, table, rows_of(table, rows))
