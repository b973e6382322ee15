"""What goes to the stream `errors`: a record that the transform rejects, as a `reject.v1` event."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from headrace.schemas.archive import DELIVERIES
from headrace.schemas.codec import encode
from headrace.schemas.event import Event
from headrace.schemas.records.reject import MAX_RAW_BYTES
from headrace.schemas.reject_codes import RejectCode, Stage
from headrace.schemas.rejects import field_errors, number_of, reject
from headrace.schemas.verdict import Rejection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT_UNDER = (
    DELIVERIES["events"]
    .error_prefix.replace("!{firehose:error-output-type}", "processing-failed")
    .partition("!{timestamp")[0]
)
PLACE = f"archive:{_KEPT_UNDER}"
"""Where Firehose keeps a record whole that is too long for a reject: found there by arrival and SHA-256."""


class Parcel(Struct, frozen=True, gc=False):
    """One record for the stream `errors`, under its partition key."""

    key: str
    data: bytes


def is_oversized(rejection: Rejection) -> bool:
    """Whether only the head of the record travels in its reject."""
    return len(rejection.raw) > MAX_RAW_BYTES


def parcel(rejection: Rejection, place: Mapping[str, Any]) -> Parcel:
    """The reject of a record; `place` says where it lay on `events`, as Firehose writes it.

    Raises KeyError when the place lacks the arrival.
    """
    data = msgspec.structs.replace(
        reject(rejection, stage=Stage.TRANSFORM, place=PLACE if is_oversized(rejection) else None),
        shard=place.get("shardId"),
        shard_sequence=place.get("sequenceNumber"),
    )
    source, sequence = number_of(rejection, data.id)
    arrived = _EPOCH + timedelta(milliseconds=place["approximateArrivalTimestamp"])
    return Parcel(data.id, encode(source, sequence, arrived, data))


def faulted(raw: bytes, error: Exception, event: Event | None = None) -> Rejection:
    """The rejection of a record on which our own code failed."""
    return Rejection(
        code=RejectCode.TRANSFORM_FAULT,
        errors=field_errors([("$", f"{type(error).__name__}: {error}")]),
        raw=raw,
        source=event.source if event else None,
        sequence=int(event.sequence) if event and event.sequence else None,
        record_type=event.type if event else None,
    )
