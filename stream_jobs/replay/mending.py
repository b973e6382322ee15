"""The person's own function that mends a record: loaded from a file, asked record by record."""

import importlib.util
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from headrace.errors import MendFailed
from headrace.schemas.records.reject import FieldError

_PARTS = {"type", "time", "data"}


class BadRecord(Struct, frozen=True, kw_only=True):
    """What `mend(record)` is given.

    Args:
        raw: the record's bytes, whole, as they were received.
        code: why it was rejected.
        errors: all that is wrong with it, each with its `path` and `message`.
        source: its source, None where it could not be read.
        sequence: its number, None where it could not be read.
        record_type: its type, None where it could not be read.
        stage: where it was rejected; of several stages all, by comma.
        first_seen: when it was first met (aware, UTC).
    """

    raw: bytes
    code: str
    errors: tuple[FieldError, ...]
    source: str | None
    sequence: int | None
    record_type: str | None
    stage: str
    first_seen: datetime


class Raised(Struct, frozen=True):
    """The function failed on one record; the text is the line of the file, and the error."""

    text: str


Mend = Callable[[BadRecord], bytes | Raised | None]
"""The mended event's JSON, None to leave the record where it is, or how it failed."""


def load(path: Path) -> Mend:
    """The function `mend` of a file. Raises MendFailed: no file, no such function, or the file fails."""
    spec = importlib.util.spec_from_file_location("headrace_mend", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise MendFailed(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise MendFailed(f"the mending file fails: {_where(path, error)}") from error
    function = getattr(module, "mend", None)
    if not callable(function):
        raise MendFailed(f"{path} has no function mend(record)")

    def mend(record: BadRecord) -> bytes | Raised | None:
        try:
            return _event(function(record), record)
        except Exception as error:  # noqa: BLE001  recorded: the summary says how it failed on this record
            return Raised(_where(path, error))

    return mend


def _event(mended: Any, record: BadRecord) -> bytes | None:  # noqa: ANN401  whatever a person's function gives
    """The event's JSON. Raises TypeError when it is nothing that `mend` may give."""
    if mended is None or isinstance(mended, bytes):
        return mended
    if not isinstance(mended, dict) or not {"time", "data"} <= mended.keys() <= _PARTS:
        raise TypeError('mend(record) gives bytes, None, or {"type": …, "time": …, "data": …}')
    return msgspec.json.encode({"specversion": "1.0", "type": record.record_type, **mended})


def _where(path: Path, error: Exception) -> str:
    """The last line of the file that the error came through."""
    inside = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    line = inside[-1] if inside else getattr(error, "lineno", None)
    return f"{path.name}{f':{line}' if line else ''}: {type(error).__name__}: {error}"
