"""The thorough verdict: reads a record member by member, and lists everything that is wrong with it."""

import json
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from headrace.schemas.complaints import code_of, split_path
from headrace.schemas.event import TIME_BEFORE, TIME_FROM, Event, is_sequence, is_source
from headrace.schemas.reading import MAX_DEPTH, MAX_RECORD_BYTES, identity, is_too_deep, texts
from headrace.schemas.record_type import Field
from headrace.schemas.registry import EVENT_CLASSES, RECORD_TYPES
from headrace.schemas.reject_codes import RejectCode
from headrace.schemas.rejects import field_errors
from headrace.schemas.verdict import Rejection

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_FINER_THAN_MICROSECONDS = re.compile(r"(\.\d{6})\d+")
_JSON_MEDIA_TYPE = re.compile(
    r"\s*(application/json|[^/;\s]+/[^/;\s]+\+json)\s*(;.*)?", re.IGNORECASE | re.DOTALL
)


class Fault(NamedTuple):
    """One thing that is wrong with a record."""

    code: RejectCode
    path: str
    message: str


def examine(raw: bytes) -> Event | Rejection:
    """The verdict on `raw`, from the bytes up: size, text, nesting, JSON, envelope, data."""
    faults: list[Fault] = []
    event = _event(raw, faults)
    if event is not None and not faults:
        return event
    source, sequence, record_type = identity(raw)
    return Rejection(
        code=faults[0].code,
        errors=field_errors((fault.path, fault.message) for fault in faults),
        raw=raw,
        source=source,
        sequence=sequence,
        record_type=record_type,
    )


def _event(raw: bytes, faults: list[Fault]) -> Event | None:
    members = _members(raw, faults)
    if members is None:
        return None
    name = _read(members.get("type"), str, "$.type", faults, RejectCode.BAD_ENVELOPE)
    if name is None:
        return None
    if name not in EVENT_CLASSES:
        faults.append(Fault(RejectCode.UNKNOWN_TYPE, "$.type", f"{name!r} is not declared"))
        return None
    event_class = EVENT_CLASSES[name]
    attributes = _attributes(members, event_class, faults)
    data = _data(members.get("data"), name, faults)
    return None if faults else event_class(**attributes, data=data)


def _members(raw: bytes, faults: list[Fault]) -> dict[str, Raw] | None:
    """The members of the outermost object, each as its own JSON; None where there is none to go on with."""
    if len(raw) > MAX_RECORD_BYTES:
        faults.append(
            Fault(RejectCode.TOO_LARGE, "$", f"{len(raw)} bytes, and at most {MAX_RECORD_BYTES} are taken")
        )
        return None
    if is_too_deep(raw):
        faults.append(Fault(RejectCode.TOO_DEEP, "$", f"nested more than {MAX_DEPTH} deep"))
        return None
    try:
        tree = json.loads(raw.decode(), parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        faults.append(Fault(RejectCode.BAD_TEXT, "$", f"no UTF-8 at byte {error.start}"))
        return None
    except ValueError as error:
        faults.append(Fault(RejectCode.NOT_JSON, "$", str(error)))
        return None
    _check_texts(tree, faults)
    if not isinstance(tree, dict):
        faults.append(Fault(RejectCode.BAD_ENVELOPE, "$", "an event is a JSON object"))
        return None
    if any(fault.code is RejectCode.BAD_TEXT for fault in faults):
        return None
    return _MEMBERS.decode(raw)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_texts(tree: Any, faults: list[Fault]) -> None:  # noqa: ANN401  any JSON
    for path, text in texts(tree):
        if "\0" in text:
            faults.append(Fault(RejectCode.NUL_CHARACTER, path, "U+0000 in a text"))
        if any("\ud800" <= character <= "\udfff" for character in text):
            faults.append(Fault(RejectCode.BAD_TEXT, path, "half of a surrogate pair in a text"))


def _attributes(members: dict[str, Raw], event_class: type[Event], faults: list[Fault]) -> dict[str, Any]:
    """The CloudEvents attributes; those that the envelope does not name are left out, as they may be."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(event_class):
        if field.name in {"data", "time"} or (field.name not in members and not field.required):
            continue
        path = f"$.{field.name}"
        values[field.name] = _read(members.get(field.name), field.type, path, faults, RejectCode.BAD_ENVELOPE)
    values["time"] = _time(members.get("time"), faults)
    _check_attributes(values, faults)
    return values


def _check_attributes(values: dict[str, Any], faults: list[Fault]) -> None:
    source, sequence, media_type = (values.get(name) for name in ("source", "sequence", "datacontenttype"))
    if source is not None and not is_source(source):
        message = "a source is 1 to 256 bytes without control characters"
        faults.append(Fault(RejectCode.BAD_ENVELOPE, "$.source", message))
    if sequence is not None and not is_sequence(sequence):
        message = "a sequence is 16 decimal digits between 0000000000000001 and 9007199254740991"
        faults.append(Fault(RejectCode.BAD_ENVELOPE, "$.sequence", message))
    if media_type is not None and not _JSON_MEDIA_TYPE.fullmatch(media_type):
        faults.append(
            Fault(RejectCode.BAD_ENVELOPE, "$.datacontenttype", "the data of an event here is JSON")
        )


def _time(raw: Raw | None, faults: list[Fault]) -> datetime | None:
    """The event time in UTC; digits below a microsecond are cut on the text, because msgspec would round them."""
    text = _read(raw, str, "$.time", faults, RejectCode.BAD_TIME)
    if text is None:
        return None
    try:
        exact = msgspec.convert(_FINER_THAN_MICROSECONDS.sub(r"\1", text), datetime)
        time = exact.astimezone(UTC) if exact.tzinfo else None
    except (msgspec.ValidationError, OverflowError):
        time = None
    if time is None or not TIME_FROM <= time < TIME_BEFORE:
        message = "a time is RFC 3339 with its zone, from 1970-01-01T00:00:00Z to before 2200-01-01T00:00:00Z"
        faults.append(Fault(RejectCode.BAD_TIME, "$.time", message))
    return time


def _data(raw: Raw | None, name: str, faults: list[Fault]) -> Struct | None:
    record_type = RECORD_TYPES[name]
    if raw is None:
        faults.append(Fault(RejectCode.MISSING_FIELD, "$.data", "the event has no data"))
        return None
    members = _read(raw, dict[str, Raw], "$.data", faults)
    if members is None:
        return None
    before = len(faults)
    for field, described in zip(msgspec.structs.fields(record_type.data), record_type.fields, strict=True):
        path = f"$.data.{described.name}"
        if described.name in members:
            _check_bytes(_read(members[described.name], field.type, path, faults), described, path, faults)
        elif described.required:
            faults.append(Fault(RejectCode.MISSING_FIELD, path, f"{name} requires it"))
    known = {described.name for described in record_type.fields}
    for unknown in members.keys() - known:
        faults.append(Fault(RejectCode.UNKNOWN_FIELD, f"$.data.{unknown}", f"{name} has no such field"))
    return _read(raw, record_type.data, "$.data", faults) if len(faults) == before else None


def _check_bytes(value: Any, field: Field, path: str, faults: list[Fault]) -> None:  # noqa: ANN401  any field's
    """Hold every text to its limit in UTF-8 bytes; msgspec counts characters."""
    if field.kind == "text" and value is not None and len(value.encode()) > (field.max_bytes or 0):
        message = f"{len(value.encode())} bytes, and at most {field.max_bytes} are taken"
        faults.append(Fault(RejectCode.TOO_LONG, path, message))
    if field.kind == "list" and value is not None:
        for index, item in enumerate(value):
            for part in field.items:
                _check_bytes(getattr(item, part.name), part, f"{path}[{index}].{part.name}", faults)


def _read(
    raw: Raw | None,
    kind: Any,
    path: str,
    faults: list[Fault],
    code: RejectCode | None = None,  # noqa: ANN401
) -> Any:  # noqa: ANN401  whatever `kind` says
    """One member decoded as `kind`; None, and a fault under `code` or msgspec's own, when it does not fit."""
    if raw is None:
        faults.append(Fault(code or RejectCode.MISSING_FIELD, path, "it is missing"))
        return None
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        where, message = split_path(str(error), path)
        faults.append(Fault(code or code_of(message), where, message))
        return None
