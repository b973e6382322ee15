"""The fold in plain Python, one record at a time: what the fast one is held against."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from headrace.schemas.codec import Event, Rejection, decode
from headrace.schemas.measures import Count, CountIf, Distinct, Sum
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.registry import OUTPUTS, RECORD_TYPES
from headrace.schemas.sketches import bucket_of, register_of
from stream_jobs.source.rows import ARROW_SCHEMA

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Arrived(NamedTuple):
    """A record of the stream, not aggregated."""

    raw: bytes
    at: datetime


def batches_of(records: Sequence[Arrived], shard: str = "shardId-000000000000") -> list[pa.RecordBatch]:
    """The source's rows for records that arrived in one shard."""
    rows = pa.Table.from_pylist(
        [
            {
                "data": record.raw,
                "streamName": "events",
                "partitionKey": "k",
                "sequenceNumber": str(number + 1),
                "approximateArrivalTimestamp": record.at,
                "shardId": shard,
                "subSequenceNumber": 0,
            }
            for number, record in enumerate(records)
        ],
        schema=ARROW_SCHEMA,
    )
    return list(rows.to_batches(max_chunksize=3))


@dataclass
class Expected:
    """What a partition folds to."""

    counted: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    rejected: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    dropped: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    windows: dict[str, dict[tuple[Any, ...], Counter[str]]] = field(default_factory=dict)
    parts: dict[str, dict[tuple[Any, ...], int]] = field(default_factory=dict)
    minutes: dict[tuple[str, datetime], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0])
    )
    reject_count: int = 0


def fold(records: Iterable[Arrived]) -> Expected:
    """Good copies first, then bad ones, each number once."""
    number: int | None
    expected = Expected()
    verdicts = [(record, decode(record.raw)) for record in records]
    good = [pair for pair in verdicts if _is_good(pair[1])]
    bad = [pair for pair in verdicts if _is_bad(pair[1])]
    for record, event in good:
        assert isinstance(event, Event)
        assert event.sequence is not None
        number = int(event.sequence)
        if number in expected.counted[event.source]:
            expected.dropped[event.source] += 1
            continue
        expected.counted[event.source].add(number)
        expected.types[event.type] += 1
        expected.minutes[event.type, _minute(record.at)][0] += 1
        for output in OUTPUTS.values():
            if output.record_type.name == event.type:
                _add(expected, output, event, record.at)
    for record, verdict in bad:
        source, number = _number(verdict)
        if source is not None and number is not None:
            if number in expected.counted[source] | expected.rejected[source]:
                expected.dropped[source] += 1
                continue
            expected.rejected[source].add(number)
        expected.reject_count += 1
        expected.minutes[_type_of(verdict), _minute(record.at)][1] += 1
    return expected


def _minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def _type_of(verdict: Any) -> str:
    """The type of the record that was rejected, by whomever; '' when it is none of those in the registry."""
    name = verdict.record_type if isinstance(verdict, Rejection) else verdict.data.record_type
    return name if name in RECORD_TYPES else ""


def _is_good(verdict: Event | Rejection) -> bool:
    return isinstance(verdict, Event) and verdict.type not in {"reject.v1", "producer_status.v1"}


def _is_bad(verdict: Event | Rejection) -> bool:
    return isinstance(verdict, Rejection) or verdict.type == "reject.v1"


def _number(verdict: Any) -> tuple[str | None, int | None]:
    return verdict.source, None if verdict.sequence is None else int(verdict.sequence)


def _add(expected: Expected, output: WindowedOutput, event: Event, arrived: datetime) -> None:
    start = EPOCH + (event.time - EPOCH) // output.every * output.every
    end = start + output.every
    keys = tuple(key.text(getattr(event.data, key.field)) for key in output.keys)
    row = expected.windows.setdefault(output.name, {}).setdefault((start, end, *keys), Counter())
    row["records"] += 1
    row["late_records"] += arrived > end + output.allowed_lateness
    parts = expected.parts.setdefault(output.name, {})
    seen: set[str] = set()
    for measure in output.measures:
        if isinstance(measure, Count):
            row[measure.name] += 1
            continue
        value = getattr(event.data, measure.of.field if isinstance(measure, CountIf) else measure.field)
        if isinstance(measure, CountIf):
            row[measure.name] += measure.holds(value)
        elif isinstance(measure, Sum):
            row[measure.name] += value or 0
        elif value is not None and measure.field not in seen:
            seen.add(measure.field)
            _add_part(parts, (start, *keys, measure.field), value, rank=isinstance(measure, Distinct))


def _add_part(parts: dict[tuple[Any, ...], int], key: tuple[Any, ...], value: Any, *, rank: bool) -> None:
    if rank:
        register, n = register_of(value)
        parts[*key, register] = max(parts.get((*key, register), 0), n)
    else:
        at = (*key, bucket_of(value))
        parts[at] = parts.get(at, 0) + 1
