"""One line of the archive: a record's data with its source, number, event time and arrival."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from headrace.schemas.event import Event

_encode = msgspec.json.Encoder(decimal_format="number").encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = tuple(b'.%03d000Z"}\n' % millisecond for millisecond in range(1000))
_WHOLE_SECOND = len('"2015-05-17T10:05:03Z"')


def line(event: Event, arrival: int) -> bytes:
    """The record as one JSON object and a line end; `arrival` in milliseconds since 1970.

    A field that is null by default may be absent. `_sequence` is null for a type that is not numbered. Times
    have six digits of a second, so that they sort as text.
    """
    data = _encode(event.data)
    origin = _origin(event.source)
    time = _encode(event.time)
    if len(time) == _WHOLE_SECOND:
        time = time[:-2] + b'.000000Z"'
    return b"".join(
        (
            data[:-1],
            origin if data != b"{}" else origin[1:],
            event.sequence.lstrip("0").encode() if event.sequence else b"null",
            b',"_event_time":',
            time,
            _arrived(arrival // 1000),
            _MILLISECONDS[arrival % 1000],
        )
    )


@lru_cache(maxsize=512)
def _origin(source: str) -> bytes:
    return b',"_source":%b,"_sequence":' % _encode(source)


@lru_cache(maxsize=512)
def _arrived(seconds: int) -> bytes:
    return b',"_ingested_at":"%b' % (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19].encode()
