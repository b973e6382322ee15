"""Rejects: their identity, their bounded errors, and the `reject.v1` that takes a rejected number's place."""

from collections.abc import Iterable
from hashlib import sha256

from headrace.schemas.records.reject import (
    MAX_ERROR_TEXT_BYTES,
    MAX_ERRORS,
    MAX_RAW_BYTES,
    FieldError,
    Reject,
)
from headrace.schemas.reject_codes import RejectCode, Stage
from headrace.schemas.verdict import Rejection


def reject_id(raw: bytes, code: RejectCode) -> str:
    """Hex SHA-256 of the code, a zero byte and the raw bytes: a record rejected twice has one id."""
    return sha256(code.encode() + b"\0" + raw).hexdigest()


_UNNUMBERED = "unnumbered/"


def number_of(rejection: Rejection, identity: str) -> tuple[str, int]:
    """The (source, sequence) of a rejection's `reject.v1` on the stream `errors`.

    A record whose own cannot be read travels under a source made from its reject id, as number 1.
    """
    if rejection.source is not None and rejection.sequence is not None:
        return rejection.source, rejection.sequence
    return _UNNUMBERED + identity, 1


def is_unnumbered(source: str) -> bool:
    """Whether `number_of` made up the source."""
    return source.startswith(_UNNUMBERED)


def field_errors(faults: Iterable[tuple[str, str]]) -> tuple[FieldError, ...]:
    """(path, message) pairs as bounded errors, at most MAX_ERRORS: the last says how many more there were."""
    errors = [FieldError(_bounded(path), _bounded(message)) for path, message in faults]
    if len(errors) > MAX_ERRORS:
        more = len(errors) - MAX_ERRORS + 1
        errors[MAX_ERRORS - 1 :] = [FieldError("$", f"and {more} more")]
    return tuple(errors)


def reject(rejection: Rejection, *, stage: Stage, place: str | None = None) -> Reject:
    """The data of the `reject.v1` for a rejection; `place`: where a record over MAX_RAW_BYTES is kept."""
    return Reject(
        id=reject_id(rejection.raw, rejection.code),
        stage=stage.value,
        code=rejection.code.value,
        errors=list(rejection.errors),
        raw=rejection.raw[:MAX_RAW_BYTES],
        raw_length=len(rejection.raw),
        raw_sha256=sha256(rejection.raw).hexdigest(),
        raw_place=place,
        record_type=rejection.record_type,
    )


def _bounded(text: str) -> str:
    """`text` without control characters and broken surrogates, cut to the bytes that an error may have."""
    if text.isascii() and text.isprintable() and len(text) <= MAX_ERROR_TEXT_BYTES:
        return text
    clean = "".join(character if character >= " " else "\ufffd" for character in text[:MAX_ERROR_TEXT_BYTES])
    return clean.encode(errors="replace")[:MAX_ERROR_TEXT_BYTES].decode(errors="ignore")
