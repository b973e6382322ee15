"""What a person is told about one record of a stream: a line for a terminal, an object for a program."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from rich.text import Text

from cli.printable import head_of, printable
from cli.tail import Seen
from headrace.schemas.codec import Event, Rejection, decode
from headrace.schemas.record_type import Field
from headrace.schemas.records.producer_status import PRODUCER_STATUS
from headrace.schemas.records.reject import FieldError, Reject
from headrace.schemas.registry import RECORD_TYPES
from headrace.schemas.rejects import is_unnumbered

MASKED = "***"
_HEAD_BYTES = 120


class Told(NamedTuple):
    """One record; `code` is None for a good one. `types` are those by which it may be asked for."""

    types: tuple[str | None, ...]
    code: str | None
    source: str | None
    is_status: bool
    line: Text
    json: dict[str, Any]


class _Bad(NamedTuple):
    """A record that was rejected: just now, or on its way here."""

    code: str
    stage: str | None
    errors: tuple[FieldError, ...] | list[FieldError]
    record_type: str | None
    source: str | None
    sequence: int | None
    raw: bytes
    raw_length: int


def tell_of(seen: Seen, *, personal: bool) -> Told:
    """Judge the record and put it into words; `personal`: what names, reaches or locates a person too."""
    verdict = decode(seen.data)
    if isinstance(verdict, Event) and isinstance(verdict.data, Reject):
        return _bad(seen, _of_reject(verdict, verdict.data), verdict.type, personal=personal)
    if isinstance(verdict, Rejection):
        return _bad(seen, _of_rejection(verdict), None, personal=personal)
    return _good(seen, verdict, personal=personal)


def masked(data: dict[str, Any], fields: tuple[Field, ...]) -> dict[str, Any]:
    """The data with every personal value hidden; null is told, since it says nothing of anybody."""
    hidden = {field.name for field in fields if field.pii}
    inside = {field.name: field.items for field in fields if field.items}
    shown: dict[str, Any] = {}
    for name, value in data.items():
        if name in inside and value is not None:
            shown[name] = [masked(item, inside[name]) for item in value]
        else:
            shown[name] = MASKED if name in hidden and value is not None else value
    return shown


def _good(seen: Seen, event: Event, *, personal: bool) -> Told:
    data = msgspec.to_builtins(event.data)
    if not personal:
        data = masked(data, RECORD_TYPES[event.type].fields)
    number = None if event.sequence is None else int(event.sequence)
    text = printable(msgspec.json.encode(data).decode())
    line = Text.assemble(
        _clock(seen),
        (f"{event.type:<16}  ", "green"),
        f"{_number(event.source, number)}  {_instant(event.time)}  {text}",
    )
    said = {"verdict": "good", "type": event.type, "source": event.source, "sequence": number}
    told = _place(seen) | said | {"time": event.time, "data": data}
    return Told((event.type,), None, event.source, event.type == PRODUCER_STATUS.name, line, told)


def _bad(seen: Seen, bad: _Bad, event_type: str | None, *, personal: bool) -> Told:
    why = f"{bad.errors[0].path} {bad.errors[0].message}" if bad.errors else ""
    raw = head_of(bad.raw, _HEAD_BYTES) if personal else f"({bad.raw_length:,} bytes)"
    stage = f"{bad.stage}: " if bad.stage else ""
    words = f"{stage}{bad.code}  {_number(bad.source, bad.sequence)}  {why}  {raw}"
    line = Text.assemble(_clock(seen), (printable(words), "red"))
    told = _place(seen) | {"verdict": "rejected"} | bad._asdict() | {"errors": list(bad.errors)}
    if not personal:
        del told["raw"]
    return Told((event_type, bad.record_type), bad.code, bad.source, False, line, told)  # noqa: FBT003  no status


def _of_reject(event: Event, data: Reject) -> _Bad:
    numbered = event.sequence is not None and not is_unnumbered(event.source)
    source, sequence = (event.source, int(event.sequence or 0)) if numbered else (None, None)
    known = (data.code, data.stage, data.errors, data.record_type)
    return _Bad(*known, source, sequence, data.raw, data.raw_length)


def _of_rejection(rejection: Rejection) -> _Bad:
    return _Bad(
        rejection.code.value,
        None,
        rejection.errors,
        rejection.record_type,
        rejection.source,
        rejection.sequence,
        rejection.raw,
        len(rejection.raw),
    )


def _place(seen: Seen) -> dict[str, Any]:
    return {
        "arrived": seen.arrived,
        "shard": seen.shard,
        "shard_sequence": seen.sequence,
        "sub_sequence": seen.sub,
    }


def _number(source: str | None, sequence: int | None) -> str:
    if source is None:
        return "(no number)"
    return printable(source) + ("" if sequence is None else f"#{sequence}")


def _clock(seen: Seen) -> tuple[str, str]:
    return f"{seen.arrived:%H:%M:%S}.{seen.arrived.microsecond // 1000:03d}  ", "dim"


def _instant(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
