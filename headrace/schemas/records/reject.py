"""`reject.v1`: a record that was not accepted, kept whole, with the reasons."""

from typing import Annotated

from msgspec import Meta, Struct

from headrace.schemas.record_type import PII, RecordType

MAX_RAW_BYTES = 512 * 1024
"""The most raw bytes that travel in a reject; a longer record is kept where it was found."""

MAX_ERRORS = 64
MAX_ERROR_TEXT_BYTES = 200
"""With these bounds, and no control characters, the JSON of the errors fits a VARCHAR of 65,535 bytes."""

Text = Annotated[str, Meta(max_length=MAX_ERROR_TEXT_BYTES, pattern=r"^[^\x00-\x1f]*(?!\n)$")]
Identifier = Annotated[str, Meta(max_length=64, pattern=r"^[a-z][a-z0-9_]*(?!\n)$")]
Digest = Annotated[str, Meta(max_length=64, pattern=r"^[0-9a-f]{64}(?!\n)$")]
Size = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class FieldError(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One thing that is wrong: where (the JSON path `$.data.status`, or a place in a line), and what."""

    path: Annotated[Text, Meta(description="JSON path, or `byte n` of a line")]
    message: Annotated[Text, Meta(description="what is wrong there")]


class Reject(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The envelope's (source, sequence) are those of the rejected record, whose number this event takes.

    `stage` and `code` are texts here, not enumerations: a reject with a code that came after this version
    is still a reject.
    """

    id: Annotated[Digest, Meta(description="SHA-256 of the code and the raw bytes: repeats have the same")]
    stage: Annotated[Identifier, Meta(description="where the record was rejected")]
    code: Annotated[Identifier, Meta(description="why: one of the reject codes")]
    errors: Annotated[list[FieldError], Meta(max_length=MAX_ERRORS, description="all that is wrong")]
    raw: Annotated[
        bytes, Meta(max_length=MAX_RAW_BYTES, description="the record as received, or its head"), PII
    ]
    raw_length: Annotated[Size, Meta(description="bytes of the whole record")]
    raw_sha256: Annotated[Digest, Meta(description="SHA-256 of the whole record")]
    raw_place: Annotated[
        Annotated[str, Meta(max_length=1_024)] | None,
        Meta(description="where the whole record is kept when it did not fit"),
    ] = None
    record_type: Annotated[
        Annotated[str, Meta(max_length=256)] | None, Meta(description="the record's type, where readable")
    ] = None
    shard: Annotated[
        Annotated[str, Meta(max_length=128)] | None, Meta(description="the Kinesis shard it was read from")
    ] = None
    shard_sequence: Annotated[
        Annotated[str, Meta(max_length=128)] | None, Meta(description="its sequence number in that shard")
    ] = None


REJECT = RecordType(
    name="reject.v1",
    data=Reject,
    description="A record that was not accepted, kept whole, with the reasons.",
)
