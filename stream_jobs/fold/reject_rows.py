"""The rows of the `rejects` table, one per id: what the job rejected itself, and what producers did."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from headrace.schemas.codec import Event, decode
from headrace.schemas.records.reject import MAX_RAW_BYTES, Reject
from headrace.schemas.reject_codes import RejectCode, Stage
from headrace.schemas.rejects import field_errors, reject
from headrace.schemas.verdict import Rejection
from stream_jobs.fold.intake import Intake, Place
from stream_jobs.fold.numbers import Arrivals, Settled, places

_FIRST_KNOWN = ("record_type", "source", "sequence", "raw_place", "shard", "shard_sequence")
_TIMESTAMP = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("stage", pa.string()),
        ("code", pa.string()),
        ("record_type", pa.string()),
        ("source", pa.string()),
        ("sequence", pa.int64()),
        ("errors", pa.string()),
        ("raw", pa.binary()),
        ("raw_length", pa.int64()),
        ("raw_sha256", pa.string()),
        ("raw_place", pa.string()),
        ("shard", pa.string()),
        ("shard_sequence", pa.string()),
        ("first_seen", _TIMESTAMP),
        ("last_seen", _TIMESTAMP),
        ("seen", pa.int64()),
        ("seen_on_errors", pa.int64()),
        ("replayed_at", _TIMESTAMP),
    ]
)


def rejects_of(intake: Intake, arrivals: Arrivals, settled: Settled) -> list[dict[str, Any]]:
    """A row for each record that a partition rejects. Copies of counted numbers have none."""
    dropped = places(arrivals, ~(settled.counted | settled.rejected | settled.scattered), intake.count)
    rows = [
        passed_row(event.data, event.source, int(event.sequence), intake.place(at))
        for at, event in intake.rejects
        if not dropped[at]
    ]
    rows += [own_row(rejection, intake.place(at)) for at, rejection in intake.rejections if not dropped[at]]
    rows += [
        own_row(_too_scattered(intake.raw(at)), intake.place(at))
        for at in arrivals.at[settled.scattered].tolist()
    ]
    return rows


def _too_scattered(raw: bytes) -> Rejection:
    event = decode(raw)
    assert isinstance(event, Event)
    return Rejection(
        code=RejectCode.TOO_SCATTERED,
        errors=field_errors([("$.sequence", RejectCode.TOO_SCATTERED.meaning)]),
        raw=raw,
        source=event.source,
        sequence=int(event.sequence or 0),
        record_type=event.type,
    )


def own_row(rejection: Rejection, place: Place, stage: Stage = Stage.STREAM_JOB) -> dict[str, Any]:
    """The row of a record that this door rejects. One longer than a reject may hold stays in the stream."""
    whole = len(rejection.raw) <= MAX_RAW_BYTES
    where = None if whole else f"kinesis:{place.shard}/{place.sequence}"
    data = reject(rejection, stage=stage, place=where)
    return row_of(data, rejection.source, rejection.sequence, place)


def passed_row(data: Reject, source: str, sequence: int, place: Place) -> dict[str, Any]:
    """The row of a `reject.v1` that came down the stream; it may already say where its record lay."""
    found = Place(data.shard or place.shard, data.shard_sequence or place.sequence, place.arrival)
    return row_of(data, source, sequence, found)


def fold_by_id(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """One row per id, as the warehouse merges them: what is known, how often and from when to when seen."""
    folded: dict[str, dict[str, Any]] = {}
    for row in rows:
        first = folded.setdefault(row["id"], row)
        if first is not row:
            first |= {name: row[name] for name in _FIRST_KNOWN if first[name] is None}
            first["stage"] = ",".join(sorted({*first["stage"].split(","), *row["stage"].split(",")}))
            first["seen"] += row["seen"]
            first["seen_on_errors"] += row["seen_on_errors"]
            first["first_seen"] = min(first["first_seen"], row["first_seen"])
            first["last_seen"] = max(first["last_seen"], row["last_seen"])
    ordered = [folded[identity] for identity in sorted(folded)]
    columns = [_column(ordered, column) for column in SCHEMA]
    return pa.table(columns, schema=SCHEMA)


def row_of(data: Reject, source: str | None, sequence: int | None, place: Place) -> dict[str, Any]:
    """The row of a reject that was seen once, on `events`."""
    return {
        "id": data.id,
        "stage": data.stage,
        "code": data.code,
        "record_type": data.record_type,
        "source": source,
        "sequence": sequence,
        "errors": msgspec.json.encode(data.errors).decode(),
        "raw": data.raw,
        "raw_length": data.raw_length,
        "raw_sha256": data.raw_sha256,
        "raw_place": data.raw_place,
        "shard": place.shard,
        "shard_sequence": place.sequence,
        "first_seen": place.arrival,
        "last_seen": place.arrival,
        "seen": 1,
        "seen_on_errors": 0,
        "replayed_at": None,
    }


def _column(rows: Sequence[dict[str, Any]], column: pa.Field) -> pa.Array:
    values = [row[column.name] for row in rows]
    if column.type == _TIMESTAMP and rows and isinstance(values[0], int):
        return pa.array(values, pa.int64()).cast(_TIMESTAMP)
    return pa.array(values, column.type)
