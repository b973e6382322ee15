"""Lines of JSON: whole CloudEvents, or objects that have only their `time` and `data`."""

from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from headrace.schemas.codec import Rejection, decode, seal
from headrace.schemas.event import format_sequence
from headrace.schemas.registry import RECORD_TYPES
from producers.line_format import LineFormat, Seal, is_of_lines, shifted, unparsable


class _Line(msgspec.Struct):
    """What is taken of a line; the codec judges it."""

    type: msgspec.Raw = msgspec.Raw()
    time: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()


class _Timed(msgspec.Struct):
    time: Annotated[datetime, msgspec.Meta(tz=True)]


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_timed = msgspec.json.Decoder(_Timed).decode
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _sealer(record_type: str | None, shift: timedelta) -> Seal:
    return lambda line, source, number: _seal(line, source, number, shift, record_type)


def _seal(
    line: bytes, source: str, number: int, shift: timedelta, record_type: str | None
) -> bytes | Rejection:
    try:
        envelope = _enveloped(_decode_line(line), source, format_sequence(number), record_type)
    except _NO_JSON:
        envelope = line  # no JSON object: the codec says what is wrong with it
    verdict = decode(envelope)
    if isinstance(verdict, Rejection):
        return msgspec.structs.replace(verdict, raw=line)
    if verdict.type != record_type and (
        record_type is not None or not is_of_lines(RECORD_TYPES[verdict.type])
    ):
        wanted = record_type or "a type of lines"
        return unparsable(line, f"the line's type is {verdict.type}, not {wanted}", record_type)
    if not shift:
        return envelope
    return seal(source, number, shifted(verdict.time, shift), verdict.data, raw=line)


def _enveloped(line: _Line, source: str, sequence: str, record_type: str | None) -> bytes:
    """The line's own parts, as they are written, in an envelope of ours; what it lacks stays absent."""
    written = bytes(line.type) or (msgspec.json.encode(record_type) if record_type else b"")
    parts = [
        b'{"type":%b,' % written if written else b"{",
        b'"specversion":"1.0","id":"%b","source":' % sequence.encode(),
        msgspec.json.encode(source),
        b',"sequence":"%b"' % sequence.encode(),
    ]
    for name, part in ((b"time", line.time), (b"data", line.data)):
        if part:
            parts.append(b',"%b":%b' % (name, bytes(part)))
    return b"".join((*parts, b"}"))


def _time_of(line: bytes) -> datetime | None:
    try:
        return _decode_timed(line).time
    except _NO_JSON:
        return None


FORMAT = LineFormat(record_type=None, sealer=_sealer, time_of=_time_of)
