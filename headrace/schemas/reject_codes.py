"""The closed list of reject codes, each with its one-line meaning, and the stages that reject."""

from enum import StrEnum
from typing import Self


class Stage(StrEnum):
    """Where on its way a record was rejected."""

    PRODUCER = "producer"
    STREAM_JOB = "stream_job"
    TRANSFORM = "transform"
    ERROR_DESK = "error_desk"
    BATCH = "batch"


class RejectCode(StrEnum):
    """Why a record was rejected; `meaning` says it in one line."""

    meaning: str

    def __new__(cls, code: str, meaning: str = "") -> Self:
        """Make the member a plain text that carries its meaning."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    # the bytes
    TOO_LARGE = "too_large", "The record is longer than the stream takes, at most 10 MiB."
    NOT_JSON = "not_json", "The bytes are not one JSON value."
    BAD_TEXT = "bad_text", "A text is not valid UTF-8, or holds half of a surrogate pair."
    NUL_CHARACTER = "nul_character", "A text holds U+0000, which no warehouse stores."
    TOO_DEEP = "too_deep", "Arrays and objects are nested more than 64 deep."
    # the envelope
    BAD_ENVELOPE = "bad_envelope", "A CloudEvents attribute is missing or not as the specification says."
    BAD_TIME = "bad_time", "The time is no RFC 3339 instant between 1970 and 2199."
    UNKNOWN_TYPE = "unknown_type", "The record type is not one that is declared."
    # the data
    MISSING_FIELD = "missing_field", "A field that the record type requires is missing."
    UNKNOWN_FIELD = "unknown_field", "A field is not part of the record type."
    WRONG_TYPE = "wrong_type", "A value has another JSON type than its field."
    OUT_OF_RANGE = "out_of_range", "A number is smaller or larger than its field allows."
    TOO_LONG = "too_long", "A value has more UTF-8 bytes, or more items, than its field allows."
    BAD_VALUE = "bad_value", "A value of the right type does not have the form that its field asks for."
    # before and after the codec
    UNPARSABLE_LINE = "unparsable_line", "A line of the source does not fit the source's grammar."
    DAMAGED_ENTRY = (
        "damaged_entry",
        "The producer's spool could not give the record back: its checksum failed.",
    )
    FIELD_COUNT = "field_count", "A line has another number of fields than the layout of its file."
    DUPLICATE_KEY = "duplicate_key", "An earlier line of the same file has the same key."
    MIXED_AGGREGATE = (
        "mixed_aggregate",
        "Records of one aggregate belong in different partitions of the archive: it waits there, whole.",
    )
    TRANSFORM_FAULT = (
        "transform_fault",
        "The transform's own code failed on the record: a bug of ours, and the record waits for a replay.",
    )
    RESPONSE_FULL = (
        "response_full",
        "The transform's answer had no room left for the record: it waits in the archive for a replay.",
    )
    TOO_SCATTERED = "too_scattered", "The source's numbers lie in more separate ranges than the ledger keeps."
    JOB_FAULT = (
        "job_fault",
        "The stream job's own code failed on the record: a bug of ours, and the record waits for a replay.",
    )
