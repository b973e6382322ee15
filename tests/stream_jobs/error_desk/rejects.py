"""Rejects as they travel on `errors`, made for tests."""

from datetime import UTC, datetime

import msgspec

from headrace.schemas.codec import FieldError, RejectCode, Rejection, Stage, encode, reject_event
from headrace.schemas.records.web_access import WebAccess
from headrace.schemas.rejects import number_of, reject, reject_id

TIME = datetime(2026, 11, 21, 11, 59, 30, 250_000, tzinfo=UTC)


def rejection(number: int, code: RejectCode = RejectCode.NOT_JSON, raw: bytes | None = None) -> Rejection:
    return Rejection(
        code=code,
        errors=(FieldError("$.data.status", "expected int"),),
        raw=b"line %d" % number if raw is None else raw,
        source="web-7/01JD",
        sequence=number,
        record_type="web_access.v1",
    )


def rejected(number: int, code: RejectCode = RejectCode.NOT_JSON, raw: bytes | None = None) -> bytes:
    """A `reject.v1` of the transform, which names the record's place on `events`."""
    place = {"shard": "shardId-000000000009", "shard_sequence": str(10**6 + number)}
    data = msgspec.structs.replace(reject(rejection(number, code, raw), stage=Stage.TRANSFORM), **place)
    return encode("web-7/01JD", number, TIME, data)


def unreadable(raw: bytes) -> bytes:
    """One whose source and number nobody could read."""
    bare = Rejection(code=RejectCode.NOT_JSON, errors=(FieldError("$", "no JSON"),), raw=raw)
    source, sequence = number_of(bare, reject_id(raw, bare.code))
    return reject_event(bare, stage=Stage.TRANSFORM, source=source, sequence=sequence, time=TIME)


def misplaced() -> bytes:
    """A good record that does not belong on `errors`."""
    fields = dict.fromkeys(("client_address", "method", "path", "protocol", "status"))
    return encode("web-7/01JD", 3, TIME, WebAccess(**fields))
