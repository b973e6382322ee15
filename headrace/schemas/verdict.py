"""What the codec says about a record: an `Event`, or a `Rejection` with every reason."""

from typing import final

from msgspec import Struct

from headrace.schemas.event import Event
from headrace.schemas.records.reject import FieldError
from headrace.schemas.reject_codes import RejectCode

__all__ = ["Event", "FieldError", "Rejection"]


@final
class Rejection(Struct, frozen=True, kw_only=True, gc=False):
    """A record that was not accepted.

    `code` is that of the first error; `raw` is the record exactly as it came. `source`, `sequence` and
    `record_type` are what could be read of the record, whatever else is wrong with it.
    """

    code: RejectCode
    errors: tuple[FieldError, ...]
    raw: bytes
    source: str | None = None
    sequence: int | None = None
    record_type: str | None = None
