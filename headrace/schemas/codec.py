"""The codec: the one place that decides whether bytes are a record, for every process alike.

`decode` first tries to prove a record good from one typed msgspec decode and a few looks at its bytes. What
that cannot prove goes to `examination.examine`, whose verdict alone counts.

What msgspec alone would let through, and what becomes of it here: U+0000 (rejected), texts with more bytes
than characters (limits are bytes), fractions below a microsecond (cut, never rounded into the next window),
times without a zone (rejected) or with an offset (converted to UTC), nesting without limit (64 at most), size
without limit (10 MiB at most). Of a key that comes twice the last value counts, as in all Python readers.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Union

import msgspec
from msgspec import Struct

from headrace.schemas.event import (
    FIRST_SEQUENCE,
    LAST_SEQUENCE,
    MAX_SEQUENCE,
    TIME_BEFORE,
    TIME_FROM,
    Event,
    is_source,
)
from headrace.schemas.examination import examine
from headrace.schemas.limits import broken
from headrace.schemas.reading import MAX_RECORD_BYTES
from headrace.schemas.record_type import RecordType
from headrace.schemas.registry import EVENT_CLASSES, RECORD_TYPES
from headrace.schemas.reject_codes import RejectCode, Stage
from headrace.schemas.rejects import field_errors, reject, reject_id
from headrace.schemas.verdict import FieldError, Rejection

__all__ = [
    "Event",
    "FieldError",
    "RejectCode",
    "Rejection",
    "Stage",
    "decode",
    "encode",
    "reject_event",
    "reject_id",
    "seal",
]

_decode: Callable[[bytes], Event] = msgspec.json.Decoder(Union[tuple(EVENT_CLASSES.values())]).decode  # noqa: UP007  of a tuple
_encode = msgspec.json.Encoder(decimal_format="number").encode

_QUOTE, _BACKSLASH, _DELETE = b'"\\\x7f'

_CLASS_OF_DATA = {RECORD_TYPES[name].data: event_class for name, event_class in EVENT_CLASSES.items()}


def _flat_texts(record_type: RecordType) -> tuple[tuple[str, int], ...] | None:
    """(name, limit in bytes) of every text; None when some are nested, where the fast way does not look."""
    if any(field.kind == "list" for field in record_type.fields):
        return None
    return tuple((field.name, field.max_bytes or 0) for field in record_type.fields if field.kind == "text")


def _patterned(record_type: RecordType) -> tuple[tuple[str, Callable[[str], object]], ...]:
    """(name, match) of every text with a pattern; each distinct value is matched once."""
    return tuple(
        (field.name, lru_cache(maxsize=4096)(re.compile(field.pattern).search))
        for field in record_type.fields
        if field.pattern is not None and field.max_bytes is not None
    )


def _limited(record_type: RecordType) -> Callable[[bytes, Event], bool] | None:
    """Whether decimals are written as numbers, and they and dates keep their limits; None: there are none.

    Only for bytes without a backslash: a key could be escaped.
    """
    fields = [field for field in record_type.fields if field.kind in {"decimal", "date"}]
    if not fields:
        return None
    names = b"|".join(field.name.encode() for field in fields if field.kind == "decimal")
    quoted = re.compile(rb'"(?:%b)"\s*:\s*"|[0-9][eE]' % (names or b'"'))

    def keeps_limits(raw: bytes, event: Event) -> bool:
        if _BACKSLASH in raw or quoted.search(raw):
            return False
        values = ((getattr(event.data, field.name), field) for field in fields)
        return all(value is None or broken(value, field) is None for value, field in values)

    return keeps_limits


_LIMITED = {EVENT_CLASSES[name]: _limited(record_type) for name, record_type in RECORD_TYPES.items()}
_PATTERNED = {EVENT_CLASSES[name]: _patterned(record_type) for name, record_type in RECORD_TYPES.items()}
_TEXTS = {EVENT_CLASSES[name]: _flat_texts(record_type) for name, record_type in RECORD_TYPES.items()}


def decode(raw: bytes) -> Event | Rejection:
    """The verdict on one record's bytes. It never raises, whatever the bytes are."""
    if len(raw) <= MAX_RECORD_BYTES:
        try:
            event = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return examine(raw)
        if _is_proven(raw, event):
            return event
    return examine(raw)


def encode(source: str, sequence: int | None, time: datetime, data: Struct) -> bytes:
    """One record as a CloudEvents 1.0 JSON event; whether it is a good one only `decode` says.

    `sequence` is None for a record type that carries none; its `id` is then the time.

    Raises:
        ValueError: `sequence` is not in 1 .. 2^53 - 1, or `time` has no zone.
        UnicodeEncodeError: a text holds half of a surrogate pair.
        OverflowError: an integer has more than 64 bits.
    """
    if time.tzinfo is not UTC:
        if time.tzinfo is None:
            raise ValueError("an event time has a zone")
        time = time.astimezone(UTC)
    if sequence is None:
        event_class = _CLASS_OF_DATA[type(data)]
        event = event_class(
            specversion="1.0", id=time.isoformat(), source=source, time=time, sequence=None, data=data
        )
        return _encode(event)
    if not 1 <= sequence <= MAX_SEQUENCE:
        raise ValueError(f"a sequence lies in 1 .. {MAX_SEQUENCE}, not {sequence}")
    opening, before_time = _envelope(type(data), source)
    number = b"%016d" % sequence
    return b"".join(
        (
            opening,
            number,
            before_time,
            _encode(time),
            b',"sequence":"',
            number,
            b'","data":',
            _encode(data),
            b"}",
        )
    )


@lru_cache(maxsize=256)
def _envelope(data_class: type[Struct], source: str) -> tuple[bytes, bytes]:
    """What stands before the `id`, and from there to the time, as msgspec writes the event class."""
    name = _CLASS_OF_DATA[data_class].type
    opening = b'{"type":%b,"specversion":"1.0","id":"' % _encode(name)
    return opening, b'","source":%b,"time":' % _encode(source)


def seal(
    source: str, sequence: int | None, time: datetime, data: Struct, *, raw: bytes | None = None
) -> bytes | Rejection:
    """Encode a record and judge it as every reader will: its bytes, or why nobody would accept it.

    A rejection keeps `raw`, the record as the producer received it (None: the encoded bytes).
    """
    try:
        sealed = encode(source, sequence, time, data)
    except (UnicodeEncodeError, OverflowError) as error:
        return Rejection(
            code=RejectCode.OUT_OF_RANGE if isinstance(error, OverflowError) else RejectCode.BAD_TEXT,
            errors=field_errors([("$.data", str(error))]),
            raw=raw or b"",
            source=source,
            sequence=sequence,
            record_type=_CLASS_OF_DATA[type(data)].type,
        )
    verdict = decode(sealed)
    if isinstance(verdict, Rejection):
        return verdict if raw is None else msgspec.structs.replace(verdict, raw=raw)
    return sealed


def reject_event(
    rejection: Rejection,
    *,
    stage: Stage,
    source: str,
    sequence: int,
    time: datetime,
    place: str | None = None,
) -> bytes:
    """A `reject.v1` event that takes the place of the rejected record under its (source, sequence).

    Of a record longer than 512 KiB only the head travels; `place` says where the whole of it is kept.
    """
    return encode(source, sequence, time, reject(rejection, stage=stage, place=place))


def _is_proven(raw: bytes, event: Event) -> bool:
    """Whether `examine` would surely accept the bytes as this very event."""
    if (not raw.isascii() or _BACKSLASH in raw or _DELETE in raw) and not _is_unambiguous(raw, event):
        return False
    sequence, time, keeps_limits = event.sequence, event.time, _LIMITED[type(event)]
    if (
        time.tzinfo is not UTC
        or not TIME_FROM <= time < TIME_BEFORE
        or not (sequence is None or (sequence.isdigit() and FIRST_SEQUENCE <= sequence <= LAST_SEQUENCE))
        or not (event.datacontenttype is None or event.datacontenttype == "application/json")
        or not (keeps_limits is None or keeps_limits(raw, event))
    ):
        return False
    for name, match in _PATTERNED[type(event)]:
        text = getattr(event.data, name)
        if text is not None and not match(text):
            return False
    key = raw.find(b'"time"')
    if raw.find(b'"time"', key + 6) >= 0:  # which of the two was decoded?
        return False
    if raw[key + 7] == _QUOTE and _QUOTE in raw[key + 8 : key + 36]:  # as nearly everybody writes it
        return True
    return _has_microseconds_at_most(raw, key)


def _is_unambiguous(raw: bytes, event: Event) -> bool:
    r"""For bytes with escapes or beyond ASCII: no \u (so no U+0000, no hidden key), and texts that fit."""
    limits = _TEXTS[type(event)]
    if limits is None or b"\\u" in raw or not is_source(event.source):
        return False
    if event.sequence is not None and not event.sequence.isascii():
        return False
    for name, limit in limits:
        text = getattr(event.data, name)
        if text is not None and len(text) * 4 > limit and len(text.encode()) > limit:
            return False
    return True


def _has_microseconds_at_most(raw: bytes, key: int) -> bool:
    """Whether the time's text is too short for a seventh digit of a second's fraction.

    `2015-05-17T10:05:03.123456Z` has 27 characters, and 32 with an offset such as `+00:00` in place of `Z`.
    """
    start = key + 8 if raw[key + 7] == _QUOTE else raw.find(b'"', key + 6) + 1
    if raw.find(b'"', start, start + 28) >= 0:
        return True
    return raw[start + 32 : start + 33] == b'"' and raw[start + 26 : start + 27] in b"+-"
