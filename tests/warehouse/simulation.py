"""The stream job's fold in plain Python over a list of records, and what the warehouse must then hold."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from headrace.schemas.measures import Count, CountIf, Distinct, Quantile, Sum
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.registry import OUTPUTS
from headrace.schemas.sketches import bucket_of, register_of
from headrace.warehouse.batch import (
    BatchId,
    Exclusions,
    Fold,
    FoldedBatch,
    ShardProgress,
    Status,
)
from headrace.warehouse.ranges import RangeSet
from headrace.warehouse.staging import arrow_schema
from headrace.warehouse.system_tables import REJECTS

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Rec:
    """One copy of one record as the job meets it."""

    source: str
    number: int | None
    good: bool = True
    partition: int = 0
    at: datetime = START
    arrived: datetime = START + timedelta(seconds=2)
    type: str = "web_access.v1"
    data: Mapping[str, Any] = field(
        default_factory=lambda: {
            "method": "GET",
            "status": 200,
            "bytes": 512,
            "path": "/a",
            "client_address": "203.0.113.9",
            "user_agent": "curl/8",
        }
    )

    def with_data(self, **changes: object) -> "Rec":
        return replace(self, data={**self.data, **changes})

    @property
    def raw(self) -> bytes:
        return f"{self.source}#{self.number}".encode()


def edit(source: str, number: int, length_delta: int | None = -7, user: str = "Ann", **more: Any) -> Rec:
    """A change of a wiki."""
    data = {"wiki": "enwiki", "kind": "edit", "user": user, "bot": False, "minor": None}
    return Rec(source, number, type="wiki_edit.v1", data=data | {"length_delta": length_delta}, **more)


def signup(source: str, number: int, age: int | None = 40, country: str = "Peru", **more: Any) -> Rec:
    """A person who signed up."""
    data = {"user_id": f"user-{number % 3}", "age": age, "country": country}
    return Rec(source, number, type="user_signup.v1", data=data, **more)


def good(*numbers: int, source: str = "s", partition: int = 0) -> list[Rec]:
    return [Rec(source, n, partition=partition) for n in numbers]


def bad(*numbers: int, source: str = "s", partition: int = 0) -> list[Rec]:
    return [Rec(source, n, good=False, partition=partition) for n in numbers]


def batch_id(number: int, *, query: str = "query", ends: str | None = None) -> BatchId:
    return BatchId("events", query, number, ends or f'{{"shard-0": "{number}"}}')


def shard(
    name: str = "shard-0", position: str = "1", frontier: datetime = START, **more: Any
) -> ShardProgress:
    return ShardProgress(name, position, frontier, **more)


def fold_of(
    records: Sequence[Rec],
    *,
    statuses: Iterable[Status] = (),
    progress: Iterable[ShardProgress] = (),
    outputs: Mapping[str, WindowedOutput] = OUTPUTS,
) -> Fold:
    """A fold over these records that keeps what the contract asks of the job."""

    def fold(exclusions: Exclusions) -> FoldedBatch:
        kept, dropped = _without_copies(records, exclusions)
        scattered = [r for r in kept if r.good and _among(exclusions.too_scattered.get(r.source), r.number)]
        good = [r for r in kept if r.good and r not in scattered and r.number is not None]
        bad = [r for r in kept if not r.good]
        return FoldedBatch(
            counted=_numbers(good),
            rejected=_numbers([r for r in bad if r.number is not None]),
            dropped=dropped,
            types=Counter(record.type for record in good),
            windows={name: windows(output, good) for name, output in outputs.items()},
            parts={n: parts(o, good) for n, o in outputs.items() if o.parts_table() is not None},
            minutes=_minutes(good, [*bad, *scattered]),
            rejects=_rejects([(r, "bad_value") for r in bad] + [(r, "too_scattered") for r in scattered]),
            statuses=list(statuses),
            progress=list(progress),
        )

    return fold


def _among(ranges: RangeSet | None, number: int | None) -> bool:
    return (
        ranges is not None
        and number is not None
        and any(first <= number <= last for first, last in ranges.pairs())
    )


def _without_copies(records: Sequence[Rec], exclusions: Exclusions) -> tuple[list[Rec], dict[str, int]]:
    kept: dict[object, Rec] = {}
    dropped: Counter[str] = Counter()
    for place, record in enumerate(sorted(records, key=lambda r: not r.good)):
        if record.number is None:
            kept[place] = record
            continue
        out = any(
            _among(exclusions.duplicates.get((record.source, partition)), record.number)
            for partition in (record.partition, None)
        )
        key = (record.source, record.partition, record.number)
        if out or key in kept:
            dropped[record.source] += 1
        else:
            kept[key] = record
    return list(kept.values()), dict(dropped)


def _numbers(records: Iterable[Rec]) -> dict[tuple[str, int], RangeSet]:
    found: dict[tuple[str, int], list[int]] = {}
    for record in records:
        found.setdefault((record.source, record.partition), []).append(record.number or 0)
    return {place: RangeSet.from_numbers(numbers) for place, numbers in found.items()}


def _minutes(good: Iterable[Rec], bad: Iterable[Rec]) -> dict[tuple[str, datetime], tuple[int, int]]:
    counted = Counter((r.type, r.arrived.replace(second=0, microsecond=0)) for r in good)
    rejected = Counter((r.type, r.arrived.replace(second=0, microsecond=0)) for r in bad)
    return {place: (counted[place], rejected[place]) for place in counted | rejected}


def windows(output: WindowedOutput, records: Iterable[Rec]) -> pa.Table:
    """Additive partial rows, one per window and keys."""
    groups: dict[tuple[Any, ...], Counter[str]] = {}
    for record in _of(output, records):
        sums = groups.setdefault(_group(output, record), Counter())
        sums["records"] += 1
        sums["late_records"] += record.arrived > _end(output, record) + output.allowed_lateness
        for measure in output.measures:
            match measure:
                case Count(name):
                    sums[name] += 1
                case CountIf(name, of):
                    sums[name] += measure.holds(record.data[of.field])
                case Sum(name, of):
                    sums[name] += record.data[of] or 0
    sketched = {measure.name for measure in output.sketched} | {"updated_at"}
    schema = pa.schema(f for f in arrow_schema(output.table()) if f.name not in sketched)
    keys = [key.name for key in output.keys]
    rows = [
        dict(zip(("window_start", *keys), group, strict=True))
        | {"window_end": group[0] + output.every}
        | {
            name: sums[name]
            for name in schema.names
            if name in sums or name not in (*keys, "window_start", "window_end")
        }
        for group, sums in groups.items()
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def parts(output: WindowedOutput, records: Iterable[Rec]) -> pa.Table:
    """Log buckets and registers, one row per window, keys, field and part."""
    held: dict[tuple[object, ...], int] = {}
    for record in _of(output, records):
        for name, measure in {m.field: m for m in output.sketched}.items():
            value = record.data[name]
            if value is None:
                continue
            if isinstance(measure, Quantile):
                key = (*_group(output, record), name, bucket_of(value))
                held[key] = held.get(key, 0) + 1
            if isinstance(measure, Distinct):
                register, rank = register_of(value)
                key = (*_group(output, record), name, register)
                held[key] = max(held.get(key, 0), rank)
    table = output.parts_table()
    assert table is not None
    schema = arrow_schema(table)
    return pa.Table.from_pylist(
        [dict(zip(schema.names, (*key, n), strict=True)) for key, n in held.items()], schema=schema
    )


def _of(output: WindowedOutput, records: Iterable[Rec]) -> Iterable[Rec]:
    return (record for record in records if record.type == output.record_type.name)


def _group(output: WindowedOutput, record: Rec) -> tuple[Any, ...]:
    start = record.at - (record.at - EPOCH) % output.every
    return (start, *(key.text(record.data[key.field]) for key in output.keys))


def _end(output: WindowedOutput, record: Rec) -> datetime:
    return record.at - (record.at - EPOCH) % output.every + output.every


def _rejects(found: Iterable[tuple[Rec, str]]) -> pa.Table:
    rows: dict[str, dict[str, Any]] = {}
    for record, code in found:
        key = hashlib.sha256(record.raw + code.encode()).hexdigest()
        row = rows.setdefault(
            key,
            {
                "id": key,
                "stage": "stream_job",
                "code": code,
                "source": record.source,
                "sequence": record.number,
                "errors": "[]",
                "raw": record.raw,
                "raw_length": len(record.raw),
                "raw_sha256": hashlib.sha256(record.raw).hexdigest(),
                "first_seen": record.arrived,
                "last_seen": record.arrived,
                "seen": 0,
                "seen_on_errors": 0,
            },
        )
        row["seen"] += 1
    return pa.Table.from_pylist(list(rows.values()), schema=arrow_schema(REJECTS))
