"""The rows of `rejects` that user records of `errors` become; no bytes can stop it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from headrace.schemas.codec import Event, Rejection, decode
from headrace.schemas.records.reject import Reject
from headrace.schemas.reject_codes import RejectCode, Stage
from headrace.schemas.rejects import field_errors, is_unnumbered
from headrace.warehouse.desk import Position
from stream_jobs.fold.intake import Place, faulted
from stream_jobs.fold.reject_rows import own_row, row_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ERRORS_ONLY = "this stream holds reject.v1 alone"


class Delivered(NamedTuple):
    """A user record as KCL delivers it, taken out of its aggregate; arrival in microseconds since 1970."""

    position: Position
    data: bytes
    arrival: int


class Placed(NamedTuple):
    """A row of `rejects`, and where in the shard its record lay."""

    position: Position
    row: dict[str, Any]


def placed(shard: str, record: Delivered, decode: Callable[[bytes], Event | Rejection] = decode) -> Placed:
    """The row of one record: of the reject that it is, or of itself as one."""
    try:
        verdict = decode(record.data)
    except Exception as error:  # noqa: BLE001  recorded: the reject keeps the record and the fault
        verdict = faulted(record.data, error)
    if isinstance(verdict, Event) and isinstance(verdict.data, Reject):
        return Placed(record.position, _passed(verdict, verdict.data))
    if isinstance(verdict, Event):
        verdict = _misplaced(verdict, record.data)
    place = Place(shard, record.position.sequence, record.arrival)
    return Placed(record.position, own_row(verdict, place, Stage.ERROR_DESK) | _SEEN_HERE)


_SEEN_HERE = {"seen": 0, "seen_on_errors": 1}


def _passed(event: Event, data: Reject) -> dict[str, Any]:
    """A reject without a place comes from a producer: it stays without one."""
    numbered = event.sequence is not None and not is_unnumbered(event.source)
    source, sequence = (event.source, int(event.sequence or 0)) if numbered else (None, None)
    time = (event.time - _EPOCH) // _MICROSECOND
    place = {"shard": data.shard, "shard_sequence": data.shard_sequence}
    return row_of(data, source, sequence, Place("", "", time)) | place | _SEEN_HERE


def _misplaced(event: Event, raw: bytes) -> Rejection:
    return Rejection(
        code=RejectCode.UNKNOWN_TYPE,
        errors=field_errors([("$.type", _ERRORS_ONLY)]),
        raw=raw,
        source=event.source,
        sequence=int(event.sequence) if event.sequence else None,
        record_type=event.type,
    )
