"""The verdict on all records of a request, before any of them is taken."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from headrace.schemas.codec import FieldError, RejectCode, Rejection, decode
from headrace.schemas.event import MAX_SEQUENCE, MAX_SOURCE_BYTES
from headrace.schemas.records.reject import REJECT
from producers.http.answer import Answer, problem
from producers.line_format import Seal, unparsable

_PROBE = "http"  # the records are judged as if of this source, and get their own when they are taken
_NAME_BYTES = 2 * MAX_SOURCE_BYTES
_TOLD_ERRORS = 100

TAKEN_BY_ANY = (1 << 20) - 1024
"""Bytes of a record that every stream takes, with its partition key; some take more."""

_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Good(NamedTuple):
    """All records of a request; `passing`: they bring their own source and sequence. `size`: sealed bytes."""

    records: list[bytes]
    passing: bool
    size: int


class _Head(msgspec.Struct):
    """Looked at to see whose numbers a record bears."""

    type: msgspec.Raw = msgspec.Raw()
    source: msgspec.Raw = msgspec.Raw()
    sequence: msgspec.Raw = msgspec.Raw()


class _Fate(NamedTuple):
    record: bytes
    passing: bool
    size: int


_decode_head = msgspec.json.Decoder(_Head).decode


def judge(
    lines: Sequence[bytes], record_type: str | None, seal: Seal, *, record_bytes: int = TAKEN_BY_ANY
) -> Good | Answer:
    """All of them, or 422 with the reasons of each bad one.

    `record_type` is what the request says of all; `record_bytes` bounds a record as it travels.
    """
    largest = max(record_bytes, TAKEN_BY_ANY)
    fates = [_judge_one(line, record_type, seal, largest) for line in lines]
    good = [fate for fate in fates if isinstance(fate, _Fate)]
    if len(good) < len(fates):
        return _unprocessable(fates)
    passing = [fate.passing for fate in good]
    if any(passing) and not all(passing):
        detail = (
            f"record {passing.index(True)} brings its own source and sequence, record {passing.index(False)} "
            "does not: send them in two requests; nothing of this one was taken"
        )
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    return Good([fate.record for fate in good], any(passing), sum(fate.size for fate in good))


def _judge_one(line: bytes, record_type: str | None, seal: Seal, largest: int) -> _Fate | Rejection:
    try:
        head = _decode_head(line)
    except _NO_JSON:
        head = _Head()  # no JSON object: the format says what is wrong with it, if anything
    else:
        if record_type is not None:
            named = _typed(line, head, record_type)
            if isinstance(named, Rejection):
                return named
            line = named
    passing = _is_given(head.source) and _is_given(head.sequence)
    verdict = decode(line) if passing else None
    if isinstance(verdict, Rejection):
        return verdict
    if verdict is not None and verdict.type == REJECT.name:  # what an export of a spool holds too
        sealed: bytes | Rejection = line
    else:
        sealed = seal(line, _PROBE, MAX_SEQUENCE)
    if isinstance(sealed, Rejection):
        return sealed
    if passing:
        sealed = line
    if len(sealed) + (0 if passing else _NAME_BYTES) > largest:
        message = f"the record would have more than {largest} bytes"
        return Rejection(code=RejectCode.TOO_LARGE, errors=(FieldError("$", message),), raw=line)
    return _Fate(line, passing, len(sealed))


def _typed(line: bytes, head: _Head, record_type: str) -> bytes | Rejection:
    """A JSON object, with its type written into it where it lacks one."""
    if not _is_given(head.type):
        rest = line.strip()[1:].lstrip()
        return b'{"type":%b%b%b' % (msgspec.json.encode(record_type), b"" if rest == b"}" else b",", rest)
    try:
        found = msgspec.json.decode(head.type)
    except _NO_JSON:
        return line  # the codec says what is wrong with it
    if found != record_type:
        return unparsable(
            line, f"the type is {found}, where the request says {record_type}", record_type, at="$.type"
        )
    return line


def _is_given(part: msgspec.Raw) -> bool:
    return bytes(part) not in (b"", b"null")


def _unprocessable(fates: Sequence[_Fate | Rejection]) -> Answer:
    bad = [(index, fate) for index, fate in enumerate(fates) if isinstance(fate, Rejection)]
    errors = [
        {"index": index, "code": rejection.code.value, "path": error.path, "message": error.message}
        for index, rejection in bad
        for error in rejection.errors
    ]
    detail = f"{len(bad):,} of {len(fates):,} records are no good; nothing of the request was taken"
    told = {"rejected": len(bad), "errors": errors[:_TOLD_ERRORS]}
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, extensions=told)
