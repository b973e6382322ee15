"""What a delivery moves: records of a stream, what became of each, and the lines that tell of failures.

Source: Amazon Data Firehose Developer Guide, "Handle failure in data transformation".
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

PROCESSING_FAILED = "processing-failed"
PARTITIONS_EXCEEDED = "activePartitionExceeded"
"""What `!{firehose:error-output-type}` stands for."""


class SourceRecord(NamedTuple):
    """One record as its producer meant it, and its place in the stream.

    Attributes:
        data: the bytes.
        partition_key: its own, even inside an aggregate.
        shard: where it was read.
        sequence: of the Kinesis record.
        subsequence: its place in an aggregate, from 0; None: the Kinesis record is no aggregate.
        arrival_ms: when Kinesis took it, in milliseconds since 1970.
        last: nothing of the same Kinesis record follows.
    """

    data: bytes
    partition_key: str
    shard: str
    sequence: str
    subsequence: int | None
    arrival_ms: int
    last: bool

    @property
    def record_id(self) -> str:
        """Firehose's: the sequence number (56 digits at AWS) and six digits of the place in the aggregate."""
        return f"{self.sequence}{self.subsequence or 0:06d}"


class Failure(NamedTuple):
    """Why a record goes to the error prefix."""

    code: str
    message: str
    attempts: int = 1
    error_type: str = PROCESSING_FAILED


class Outcome(NamedTuple):
    """What becomes of a record: delivered as `data` under its partition keys, failed, or dropped."""

    record: SourceRecord
    data: bytes | None = None
    keys: Mapping[str, str] = {}
    failure: Failure | None = None


class _ErrorLine(
    msgspec.Struct,
    omit_defaults=True,
    rename={
        "raw_data": "rawData",
        "error_code": "errorCode",
        "error_message": "errorMessage",
        "attempts_made": "attemptsMade",
        "arrival_timestamp": "arrivalTimestamp",
        "attempt_ending_timestamp": "attemptEndingTimestamp",
        "lambda_arn": "lambdaARN",
    },
):
    """The keys, in the order in which the service writes them; bytes are base64."""

    raw_data: bytes
    error_code: str
    error_message: str
    attempts_made: int
    arrival_timestamp: int
    attempt_ending_timestamp: int
    lambda_arn: str | None = None


def error_line(record: SourceRecord, failure: Failure, *, ended_ms: int, lambda_arn: str | None) -> bytes:
    """One line of an error object: the record as it came from the stream, and why it was not delivered."""
    line = _ErrorLine(
        raw_data=record.data,
        error_code=failure.code,
        error_message=failure.message,
        attempts_made=failure.attempts,
        arrival_timestamp=record.arrival_ms,
        attempt_ending_timestamp=ended_ms,
        lambda_arn=lambda_arn,
    )
    return msgspec.json.encode(line) + b"\n"
