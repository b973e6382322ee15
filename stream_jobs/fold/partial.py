"""What one partition folds to, and its form on the way to the driver: a few tagged Arrow tables."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from headrace.warehouse.ranges import RangeSet

SPARK_SCHEMA = "kind string, payload binary"
_ROW = pa.schema([("kind", pa.string()), ("payload", pa.binary())])

_COUNTED, _REJECTED = "counted", "rejected"
_WINDOWS, _PARTS = "windows/", "parts/"
_OPTIONAL = ("minutes", "rejects", "statuses", "markers")


@dataclass
class Partial:
    """One partition, de-duplicated in itself and folded; see `headrace.warehouse.batch.FoldedBatch`.

    Attributes:
        minutes: good and rejected records per type and minute, with the columns of `minutes.SCHEMA`.
        statuses: columns source, spooled, acknowledged, closed, arrived_at.
        markers: the partition's marker rows, with the source's columns.
    """

    partition: int
    counted: Mapping[str, RangeSet] = field(default_factory=dict)
    rejected: Mapping[str, RangeSet] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    types: Mapping[str, int] = field(default_factory=dict)
    windows: Mapping[str, pa.Table] = field(default_factory=dict)
    parts: Mapping[str, pa.Table] = field(default_factory=dict)
    minutes: pa.Table | None = None
    rejects: pa.Table | None = None
    statuses: pa.Table | None = None
    markers: pa.Table | None = None


def to_rows(partial: Partial) -> pa.RecordBatch:
    """The partial as rows of (kind, payload)."""
    tables: dict[str, pa.Table] = {
        _COUNTED: _ranges_table(partial.counted),
        _REJECTED: _ranges_table(partial.rejected),
        "dropped": _counts_table(partial.dropped),
        "types": _counts_table(partial.types),
        **{_WINDOWS + name: table for name, table in partial.windows.items()},
        **{_PARTS + name: table for name, table in partial.parts.items()},
    }
    optional = {name: getattr(partial, name) for name in _OPTIONAL}
    tables |= {kind: table for kind, table in optional.items() if table is not None}
    kinds = [f"{partial.partition}:{kind}" for kind in tables]
    payloads = [_to_bytes(table) for table in tables.values()]
    return pa.record_batch([pa.array(kinds, pa.string()), pa.array(payloads, pa.binary())], schema=_ROW)


def from_rows(rows: pa.Table) -> list[Partial]:
    """The partials in a table of (kind, payload), by partition."""
    found: dict[int, dict[str, pa.Table]] = {}
    for kind, payload in zip(rows["kind"].to_pylist(), rows["payload"], strict=True):
        partition, _, name = kind.partition(":")
        found.setdefault(int(partition), {})[name] = pa.ipc.open_stream(payload.as_buffer()).read_all()
    return [_from_tables(partition, found[partition]) for partition in sorted(found)]


def _from_tables(partition: int, tables: Mapping[str, pa.Table]) -> Partial:
    return Partial(
        partition=partition,
        counted=_ranges(tables[_COUNTED]),
        rejected=_ranges(tables[_REJECTED]),
        dropped=_counts(tables["dropped"]),
        types=_counts(tables["types"]),
        windows=dict(_with_prefix(tables, _WINDOWS)),
        parts=dict(_with_prefix(tables, _PARTS)),
        **{name: tables.get(name) for name in _OPTIONAL},
    )


def _with_prefix(tables: Mapping[str, pa.Table], prefix: str) -> Iterable[tuple[str, pa.Table]]:
    return ((kind.removeprefix(prefix), tables[kind]) for kind in tables if kind.startswith(prefix))


def _to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _ranges_table(ranges: Mapping[str, RangeSet]) -> pa.Table:
    rows = [(source, first, last) for source, numbers in ranges.items() for first, last in numbers.pairs()]
    sources, firsts, lasts = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "source": pa.array(sources, pa.string()),
            "first": pa.array(firsts, pa.int64()),
            "last": pa.array(lasts, pa.int64()),
        }
    )


def _ranges(table: pa.Table) -> dict[str, RangeSet]:
    names = table["source"].to_pylist()
    firsts, lasts = table["first"].to_numpy(), table["last"].to_numpy()
    return {
        name: RangeSet(firsts[begin:end].copy(), lasts[begin:end].copy()) for name, begin, end in _runs(names)
    }


def _runs(names: list[str]) -> Iterator[tuple[str, int, int]]:
    """Stretches of equal names, as (name, begin, end)."""
    begin = 0
    for at in range(1, len(names) + 1):
        if at == len(names) or names[at] != names[begin]:
            yield names[begin], begin, at
            begin = at


def _counts_table(counts: Mapping[str, int]) -> pa.Table:
    return pa.table(
        {"name": pa.array(list(counts), pa.string()), "n": pa.array(list(counts.values()), pa.int64())}
    )


def _counts(table: pa.Table) -> dict[str, int]:
    return dict(zip(table["name"].to_pylist(), table["n"].to_pylist(), strict=True))
