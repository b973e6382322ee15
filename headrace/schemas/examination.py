"""The thorough verdict: reads a record member by member, and lists everything that is wrong with it."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from headrace.schemas.complaints import code_of, split_path
from headrace.schemas.event import TIME_BEFORE, TIME_FROM, Event, is_sequence, is_source
from headrace.schemas.limits import PLAIN_NUMBER, broken
from headrace.schemas.reading import MAX_DEPTH, MAX_RECORD_BYTES, identity, is_too_deep, texts
from headrace.schemas.record_type import Field
from headrace.schemas.registry import EVENT_CLASSES, RECORD_TYPES
from headrace.schemas.reject_codes import RejectCode
from headrace.schemas.rejects import field_errors
from headrace.schemas.verdict import Rejection

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_VALUE = msgspec.json.Decoder(Raw)
_TEXT = msgspec.json.Decoder(str)
_SURROGATE = re.compile("[\ud800-\udfff]")
_FINER_THAN_MICROSECONDS = re.compile(r"(\.\d{6})\d+")
_JSON_MEDIA_TYPE = re.compile(
    r"\s*(application/json|[^/;\s]+/[^/;\s]+\+json)\s*(;.*)?", re.IGNORECASE | re.DOTALL
)


class Fault(NamedTuple):
    """One thing that is wrong with a record."""

    code: RejectCode
    path: str
    message: str


@dataclass(frozen=True)
class Member:
    """One member of an object, ready to be read on its own."""

    name: str
    required: bool
    decoder: msgspec.json.Decoder[Any]


def _members_of(struct: type[Struct]) -> tuple[Member, ...]:
    return tuple(
        Member(field.name, field.required, msgspec.json.Decoder(field.type))
        for field in msgspec.structs.fields(struct)
    )


_ATTRIBUTES = {
    name: tuple(member for member in _members_of(event_class) if member.name not in {"data", "time"})
    for name, event_class in EVENT_CLASSES.items()
}
_FIELDS = {
    name: tuple(zip(_members_of(record_type.data), record_type.fields, strict=True))
    for name, record_type in RECORD_TYPES.items()
}
_MEMBER_OF = {name: {pair[0].name: pair for pair in pairs} for name, pairs in _FIELDS.items()}


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
    name = _read(members.get("type"), _TEXT, "$.type", faults, RejectCode.BAD_ENVELOPE)
    if name is None:
        return None
    if name not in EVENT_CLASSES:
        faults.append(Fault(RejectCode.UNKNOWN_TYPE, "$.type", f"{name!r} is not declared"))
        return None
    attributes = _attributes(members, name, faults)
    data = _data(members.get("data"), name, faults)
    return None if faults else EVENT_CLASSES[name](**attributes, data=data)


def _members(raw: bytes, faults: list[Fault]) -> dict[str, Raw] | None:
    """The members of the outermost object, each as its own JSON; None where there is none to go on with."""
    if len(raw) > MAX_RECORD_BYTES:
        message = f"{len(raw)} bytes, and at most {MAX_RECORD_BYTES} are taken"
        faults.append(Fault(RejectCode.TOO_LARGE, "$", message))
        return None
    if is_too_deep(raw):
        faults.append(Fault(RejectCode.TOO_DEEP, "$", f"nested more than {MAX_DEPTH} deep"))
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        faults.append(Fault(RejectCode.BAD_TEXT, "$", f"no UTF-8 at byte {error.start}"))
        return None
    if "\\u" in text:
        _check_escapes(text, faults)
    try:
        return _MEMBERS.decode(raw)
    except msgspec.DecodeError as error:
        if not faults:  # half a surrogate pair would be why it fails
            faults.append(_not_an_object(raw, error))
    return None


def _not_an_object(raw: bytes, error: msgspec.DecodeError) -> Fault:
    if isinstance(error, msgspec.ValidationError):  # it begins like another JSON value, and may be one
        try:
            _VALUE.decode(raw)
        except msgspec.DecodeError as worse:
            error = worse
        else:
            return Fault(RejectCode.BAD_ENVELOPE, "$", "an event is a JSON object")
    return Fault(RejectCode.NOT_JSON, "$", str(error))


def _check_escapes(text: str, faults: list[Fault]) -> None:
    """Find what only an escape can bring in, and Python's reader takes: U+0000, half a surrogate pair."""
    try:
        tree = json.loads(text, parse_int=float)
    except ValueError:
        return
    for path, part in texts(tree):
        if "\0" in part:
            faults.append(Fault(RejectCode.NUL_CHARACTER, path, "U+0000 in a text"))
        if _SURROGATE.search(part):
            faults.append(Fault(RejectCode.BAD_TEXT, path, "half of a surrogate pair in a text"))


def _attributes(members: dict[str, Raw], name: str, faults: list[Fault]) -> dict[str, Any]:
    """The CloudEvents attributes; those that the envelope does not name are left out, as they may be."""
    values: dict[str, Any] = {}
    for member in _ATTRIBUTES[name]:
        if member.name in members or member.required:
            raw, path = members.get(member.name), f"$.{member.name}"
            values[member.name] = _read(raw, member.decoder, path, faults, RejectCode.BAD_ENVELOPE)
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
    """The event time in UTC; digits below a microsecond are cut on the text: msgspec would round them."""
    text = _read(raw, _TEXT, "$.time", faults, RejectCode.BAD_TIME)
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
    if raw is None:
        faults.append(Fault(RejectCode.MISSING_FIELD, "$.data", "the event has no data"))
        return None
    members = _read(raw, _MEMBERS, "$.data", faults)
    return None if members is None else examine_data(name, members, faults)


def examine_data(name: str, members: dict[str, Raw], faults: list[Fault]) -> Struct | None:
    """The record of type `name` with these members, each its own JSON; None, and why, when it is not good."""
    values: dict[str, Any] = {}
    before = len(faults)
    for member, field in _FIELDS[name]:
        part, path = members.pop(member.name, None), f"$.data.{member.name}"
        if part is not None:
            values[member.name] = _value(part, member, field, path, faults)
        elif member.required:
            faults.append(Fault(RejectCode.MISSING_FIELD, path, f"{name} requires it"))
    message = f"{name} has no such field"
    faults.extend(Fault(RejectCode.UNKNOWN_FIELD, f"$.data.{unknown}", message) for unknown in members)
    return _record(name, values, faults) if len(faults) == before else None


def examine_member(name: str, field_name: str, raw: Raw, faults: list[Fault]) -> Any:  # noqa: ANN401  any field's
    """The value of one member of a record of type `name`; None, and why, when it is not good."""
    member, field = _MEMBER_OF[name][field_name]
    return _value(raw, member, field, f"$.data.{field_name}", faults)


def _record(name: str, values: dict[str, Any], faults: list[Fault]) -> Struct | None:
    """The record of values that are each good; what its type asks of them together is checked here."""
    try:
        return RECORD_TYPES[name].data(**values)
    except ValueError as error:
        faults.append(Fault(RejectCode.BAD_VALUE, "$.data", str(error)))
        return None


def _value(raw: Raw, member: Member, field: Field, path: str, faults: list[Fault]) -> Any:  # noqa: ANN401  any field's
    if field.kind == "decimal" and not PLAIN_NUMBER.fullmatch(raw) and bytes(raw) != b"null":
        message = "a decimal is a JSON number, written without an exponent"
        faults.append(Fault(RejectCode.WRONG_TYPE, path, message))
        return None
    value = _read(raw, member.decoder, path, faults)
    _check(value, field, path, faults)
    return value


def _check(value: Any, field: Field, path: str, faults: list[Fault]) -> None:  # noqa: ANN401  any field's
    """Hold the value, and all that it is made of, to the limits that msgspec does not know."""
    if value is None:
        return
    if (fault := broken(value, field)) is not None:
        faults.append(Fault(fault[0], path, fault[1]))
    if field.kind == "list":
        for index, item in enumerate(value):
            for part in field.items:
                _check(getattr(item, part.name), part, f"{path}[{index}].{part.name}", faults)


def _read(
    raw: Raw | None,
    decoder: msgspec.json.Decoder[Any],
    path: str,
    faults: list[Fault],
    code: RejectCode | None = None,
) -> Any:  # noqa: ANN401  whatever the decoder makes
    """One member decoded; None, and a fault under `code` or msgspec's own, when it does not fit."""
    if raw is None:
        faults.append(Fault(code or RejectCode.MISSING_FIELD, path, "it is missing"))
        return None
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        where, message = split_path(str(error), path)
        faults.append(Fault(code or code_of(message), where, message))
        return None
