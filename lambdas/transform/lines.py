"""One line of the archive: a record's data with its source, number, event time and arrival."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from headrace.schemas.event import Event

_encode = msgspec.json.Encoder().encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def line(event: Event, arrival: int) -> bytes:
    """The record as one JSON object and a line end; `arrival` in milliseconds since 1970.

    A field that is null by default may be absent. `_sequence` is null for a type that is not numbered.
    """
    data = _encode(event.data)
    sequence = event.sequence
    return b"".join(
        (
            data[:-1],
            b',"_source":' if len(data) > len(b"{}") else b'"_source":',
            _quoted(event.source),
            b',"_sequence":',
            sequence.lstrip("0").encode() if sequence else b"null",
            b',"_event_time":"',
            event.time.isoformat(timespec="microseconds")[:26].encode(),
            b'Z","_ingested_at":"',
            _instant(arrival),
            b'Z"}\n',
        )
    )


@lru_cache(maxsize=512)
def _quoted(source: str) -> bytes:
    return _encode(source)


@lru_cache(maxsize=4096)
def _instant(milliseconds: int) -> bytes:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03d}000".encode()


def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
