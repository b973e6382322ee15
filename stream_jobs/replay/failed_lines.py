"""The lines that Firehose writes about records it could not deliver: the source's bytes, and why.

Source: Amazon Data Firehose Developer Guide, "Handle data delivery failures" and "Configure record format
conversion"; the two differ in their capitals, and so do older ones.
"""

import binascii
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from headrace.kinesis.aggregation import deaggregate
from stream_jobs.replay.objects import lines

_CODES = ("errorCode", "ErrorCode", "lastErrorCode")
_MESSAGES = ("errorMessage", "ErrorMessage", "lastErrorMessage")
_LATEST_MS = 7_258_118_400_000  # the year 2200


class FailedLine(NamedTuple):
    """A record that was not delivered; `raw` is what lay on the stream, maybe an aggregate."""

    line: int
    code: str
    message: str
    arrived: datetime | None
    raw: bytes

    @property
    def records(self) -> list[bytes]:
        """The user records."""
        inside = deaggregate(self.raw)
        return [self.raw] if inside is None else [record.data for record in inside]


class Unreadable(NamedTuple):
    """A line that says nothing, as when a write broke off."""

    line: int
    why: str


def read_lines(body: bytes) -> Iterator[FailedLine | Unreadable]:
    """Every line of an error object; no bytes can stop it."""
    for place, line in lines(body):
        try:
            yield _read(place, msgspec.json.decode(line, type=dict[str, Any]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield Unreadable(place, f"no JSON object: {error}")
        except (KeyError, AttributeError, binascii.Error, ValueError) as error:
            yield Unreadable(place, f"no rawData in base64: {error}")


def _read(place: int, said: dict[str, Any]) -> FailedLine:
    raw = binascii.a2b_base64(said["rawData"].encode(), strict_mode=True)
    return FailedLine(place, _first(said, _CODES), _first(said, _MESSAGES), _instant(said), raw)


def _first(said: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((str(said[name]) for name in names if said.get(name) is not None), "")


def _instant(said: dict[str, Any]) -> datetime | None:
    """The arrival, in milliseconds since 1970."""
    arrived = said.get("arrivalTimestamp")
    if isinstance(arrived, int | float) and 0 <= arrived < _LATEST_MS:
        return datetime.fromtimestamp(arrived / 1000, UTC)
    return None
