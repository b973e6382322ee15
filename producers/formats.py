"""How a line becomes a record: each line format is a function from a line and its number to sealed bytes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec

from headrace.errors import SettingsError
from headrace.schemas.codec import FieldError, RejectCode, Rejection, decode, seal
from headrace.schemas.event import format_sequence
from headrace.schemas.records.reject import REJECT
from headrace.schemas.registry import RECORD_TYPES
from producers import access_log

LineFormat = Literal["access_log", "ndjson"]
Seal = Callable[[bytes, str, int], bytes | Rejection]
"""(line, source, number) -> the record as it travels, or why there is none."""

TimeOf = Callable[[bytes], datetime | None]
"""The event time of a line; None for one that is no record."""


class _Line(msgspec.Struct):
    """What is taken of an NDJSON line, a whole CloudEvent or only time and data; the codec judges it."""

    type: msgspec.Raw = msgspec.Raw()
    time: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()


class _Timed(msgspec.Struct):
    time: Annotated[datetime, msgspec.Meta(tz=True)]


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_timed = msgspec.json.Decoder(_Timed).decode
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NO_SHIFT = timedelta(0)


def choose(record_type: str, line_format: LineFormat | None) -> LineFormat:
    """The format of the lines of a record type. Raises SettingsError where there is none."""
    declared = RECORD_TYPES.get(record_type)
    if declared is None or not declared.numbered or declared is REJECT:
        possible = sorted(t.name for t in RECORD_TYPES.values() if t.numbered and t is not REJECT)
        raise SettingsError(
            f"--type {record_type}: not a record type of lines; known are {', '.join(possible)}"
        )
    if line_format == "access_log" and record_type != access_log.RECORD_TYPE:
        raise SettingsError(f"--format access_log gives {access_log.RECORD_TYPE}, not {record_type}")
    return line_format or ("access_log" if record_type == access_log.RECORD_TYPE else "ndjson")


def is_keyed(record_type: str) -> bool:
    """Whether the order of records with one key must be kept."""
    return RECORD_TYPES[record_type].partition_key is not None


def sealer(record_type: str, line_format: LineFormat, shift: timedelta = _NO_SHIFT) -> Seal:
    """The function that seals the lines of a format, their event times shifted."""
    if line_format == "access_log":
        return lambda line, source, number: _seal_access(line, source, number, shift)
    return lambda line, source, number: _seal_json(line, source, number, shift, record_type)


def time_reader(line_format: LineFormat) -> TimeOf:
    """The function that reads the event times of a format."""
    return _access_time if line_format == "access_log" else _json_time


def _seal_access(line: bytes, source: str, number: int, shift: timedelta) -> bytes | Rejection:
    parsed = access_log.parse(line)
    if isinstance(parsed, Rejection):
        return parsed
    time, data = parsed
    try:
        shifted = time + shift if shift else time
    except OverflowError:
        shifted = time
    return seal(source, number, shifted, data, raw=line)


def _seal_json(
    line: bytes, source: str, number: int, shift: timedelta, record_type: str
) -> bytes | Rejection:
    try:
        envelope = _enveloped(_decode_line(line), source, format_sequence(number), record_type)
    except _NO_JSON:
        envelope = line  # no JSON object: the codec says what is wrong with it
    verdict = decode(envelope)
    if isinstance(verdict, Rejection):
        return msgspec.structs.replace(verdict, raw=line)
    if verdict.type != record_type:
        return _unparsable(line, f"the line's type is {verdict.type}, not {record_type}", record_type)
    return seal(source, number, verdict.time + shift, verdict.data, raw=line) if shift else envelope


def _enveloped(line: _Line, source: str, sequence: str, record_type: str) -> bytes:
    """The line's own parts, as they are written, in an envelope of ours; what it lacks stays absent."""
    parts = [
        b'{"type":%b' % (bytes(line.type) or msgspec.json.encode(record_type)),
        b',"specversion":"1.0","id":"%b","source":' % sequence.encode(),
        msgspec.json.encode(source),
        b',"sequence":"%b"' % sequence.encode(),
    ]
    for name, part in ((b"time", line.time), (b"data", line.data)):
        if part:
            parts.append(b',"%b":%b' % (name, bytes(part)))
    return b"".join((*parts, b"}"))


def _unparsable(line: bytes, message: str, record_type: str) -> Rejection:
    clean = "".join(character for character in message if character >= " ")[:150]
    errors = (FieldError("$", clean.encode(errors="replace").decode()[:100]),)
    return Rejection(code=RejectCode.UNPARSABLE_LINE, errors=errors, raw=line, record_type=record_type)


def _access_time(line: bytes) -> datetime | None:
    parsed = access_log.parse(line)
    return None if isinstance(parsed, Rejection) else parsed[0]


def _json_time(line: bytes) -> datetime | None:
    try:
        return _decode_timed(line).time
    except _NO_JSON:
        return None
