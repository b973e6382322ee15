"""The envelope of every record: a CloudEvents 1.0 event with a number of its own per source."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, cast

from msgspec import Meta, Struct, defstruct

from headrace.schemas.record_type import RecordType

MAX_SEQUENCE = 2**53 - 1
"""The largest number: every JSON reader holds it exactly."""

FIRST_SEQUENCE, LAST_SEQUENCE = "0000000000000001", f"{MAX_SEQUENCE:016d}"

MAX_SOURCE_BYTES = 256
"""The longest `source`, in UTF-8 bytes."""

TIME_FROM = datetime(1970, 1, 1, tzinfo=UTC)
TIME_BEFORE = datetime(2200, 1, 1, tzinfo=UTC)
"""Event times lie in [TIME_FROM, TIME_BEFORE): Arrow, Spark and both warehouses hold every window of them."""

_SOURCE = re.compile(rf"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{MAX_SOURCE_BYTES}}}")

Name = Annotated[str, Meta(min_length=1, max_length=MAX_SOURCE_BYTES)]
Number = Annotated[str, Meta(min_length=16, max_length=16)]


class Event(
    Struct,
    frozen=True,
    gc=False,
    kw_only=True,
    tag_field="type",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """An accepted record; each record type has a subclass that types `data`.

    `time` is aware, in UTC, with microseconds. `sequence` is 16 decimal digits, and None only for a record
    type that is not numbered. (`source`, `sequence`) identify the record; `id` is the producer's affair.
    CloudEvents' optional attributes are listed so that an event with them is decoded at full speed.
    """

    type: ClassVar[str]
    specversion: Literal["1.0"]
    id: Name
    source: Name
    time: Annotated[datetime, Meta(tz=True)]
    sequence: str | None = None
    data: Any
    datacontenttype: str | None = None
    dataschema: str | None = None
    subject: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None


def event_class(record_type: RecordType) -> type[Event]:
    """The subclass of `Event` that is tagged with the record type's name and types its `data`."""
    sequence = ("sequence", Number) if record_type.numbered else ("sequence", None, None)
    made = defstruct(
        f"Event[{record_type.name}]",
        [sequence, ("data", record_type.data)],
        bases=(Event,),
        namespace={"type": record_type.name},
        tag=record_type.name,
        frozen=True,
        gc=False,
        kw_only=True,
        forbid_unknown_fields=True,
        omit_defaults=True,
    )
    return cast("type[Event]", made)


def format_sequence(number: int) -> str:
    """`number` as the envelope's `sequence`: 16 digits, which sort as text.

    Raises:
        ValueError: the number is not in 1 .. MAX_SEQUENCE.
    """
    if not 1 <= number <= MAX_SEQUENCE:
        raise ValueError(f"a sequence lies in 1 .. {MAX_SEQUENCE}, not {number}")
    return f"{number:016d}"


def is_sequence(text: str) -> bool:
    """Whether `text` is a number as `format_sequence` writes it."""
    return (
        len(text) == len(FIRST_SEQUENCE)
        and text.isascii()
        and text.isdigit()
        and FIRST_SEQUENCE <= text <= LAST_SEQUENCE
    )


def is_source(text: str) -> bool:
    """Whether `text` may name a source: 1 to 256 bytes of UTF-8 without control characters."""
    return bool(_SOURCE.fullmatch(text)) and (text.isascii() or len(text.encode()) <= MAX_SOURCE_BYTES)
