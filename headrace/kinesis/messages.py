"""What travels between us and Kinesis: the fields that we use, typed, and the limits of a request.

Source: https://docs.aws.amazon.com/kinesis/latest/APIReference
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType, field

from headrace.kinesis.shard_map import Shard, ShardMap

MAX_PUT_RECORDS = 500
MAX_PUT_BYTES = 10 << 20  # data and partition keys of one request
MAX_RECORD_BYTES = 10 << 20  # data and partition key of one record, where the stream allows that much
USUAL_RECORD_BYTES = 1 << 20  # what every stream allows
LONGEST_KEY_BYTES = 1024  # 256 characters
MAX_GET_RECORDS = 10_000


class PutEntry(msgspec.Struct, frozen=True, gc=False, rename="pascal"):
    """One record to put; `explicit_hash_key` is decimal text and decides the shard if set."""

    data: bytes
    partition_key: str
    explicit_hash_key: str | UnsetType = UNSET

    @property
    def size(self) -> int:
        """The bytes that count against the limits."""
        return len(self.data) + len(self.partition_key.encode())


class PutResult(msgspec.Struct, frozen=True, gc=False, rename="pascal"):
    """What became of one entry: shard and sequence number, or an error code."""

    shard_id: str | None = None
    sequence_number: str | None = None
    error_code: str | None = None
    error_message: str | None = None


class PutRecordsAnswer(msgspec.Struct, frozen=True, rename="pascal"):
    """One result per entry, in the order of the request."""

    records: list[PutResult]
    failed_record_count: int = 0


class Record(msgspec.Struct, frozen=True, gc=False, rename="pascal"):
    """A record as read; `approximate_arrival_timestamp` in seconds since 1970."""

    data: bytes
    partition_key: str
    sequence_number: str
    approximate_arrival_timestamp: float

    @property
    def arrival_ms(self) -> int:
        """When Kinesis took it, in milliseconds since 1970, which is all that Kinesis keeps."""
        return round(self.approximate_arrival_timestamp * 1000)


class HashKeyRange(msgspec.Struct, frozen=True, rename="pascal"):
    """Both ends included, as decimal text."""

    starting_hash_key: str
    ending_hash_key: str


class SequenceNumberRange(msgspec.Struct, frozen=True, rename="pascal"):
    """The end is set once the shard is closed."""

    starting_sequence_number: str
    ending_sequence_number: str | None = None


class ChildShard(msgspec.Struct, frozen=True, rename="pascal"):
    """A shard that goes on where a closed one ended."""

    shard_id: str
    parent_shards: list[str]
    hash_key_range: HashKeyRange


class GetRecordsAnswer(msgspec.Struct, frozen=True, rename="pascal"):
    """A stretch of a shard; no next iterator means that the shard is closed and read to its end."""

    records: list[Record]
    next_shard_iterator: str | None = None
    millis_behind_latest: int = 0
    child_shards: list[ChildShard] = field(default_factory=list)


class ShardDescription(msgspec.Struct, frozen=True, rename="pascal"):
    """A shard, open or closed, as ListShards tells it."""

    shard_id: str
    hash_key_range: HashKeyRange
    sequence_number_range: SequenceNumberRange
    parent_shard_id: str | None = None
    adjacent_parent_shard_id: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still takes records."""
        return self.sequence_number_range.ending_sequence_number is None

    @property
    def parents(self) -> tuple[str, ...]:
        """None, one (split) or two (merge); they may be past the stream's retention and unlisted."""
        both = (self.parent_shard_id, self.adjacent_parent_shard_id)
        return tuple(parent for parent in both if parent is not None)


class ListShardsAnswer(msgspec.Struct, frozen=True, rename="pascal"):
    """One page."""

    shards: list[ShardDescription]
    next_token: str | None = None


class ShardIteratorAnswer(msgspec.Struct, frozen=True, rename="pascal"):
    """Good for five minutes."""

    shard_iterator: str


class StreamSummary(msgspec.Struct, frozen=True, rename="pascal"):
    """A stream; `stream_creation_timestamp` in seconds since 1970."""

    stream_name: str
    stream_arn: str = field(name="StreamARN")
    stream_status: Literal["CREATING", "DELETING", "ACTIVE", "UPDATING"]
    stream_creation_timestamp: float
    retention_period_hours: int
    open_shard_count: int
    max_record_size_in_kib: int = field(name="MaxRecordSizeInKiB", default=USUAL_RECORD_BYTES >> 10)

    @property
    def max_record_bytes(self) -> int:
        """The most that the data and the partition key of one record may have together."""
        return self.max_record_size_in_kib << 10

    @property
    def created_at(self) -> datetime:
        """When it was made: a stream of the same name made anew has another time (to the millisecond)."""
        return datetime.fromtimestamp(round(self.stream_creation_timestamp, 3), UTC)


class StreamSummaryAnswer(msgspec.Struct, frozen=True, rename="pascal"):
    """The envelope around a summary."""

    stream_description_summary: StreamSummary


def shard_map(shards: Sequence[ShardDescription]) -> ShardMap:
    """The map of the open ones. Raises ValueError when they do not cover every hash key once."""
    return ShardMap(
        Shard(
            shard.shard_id,
            int(shard.hash_key_range.starting_hash_key),
            int(shard.hash_key_range.ending_hash_key),
        )
        for shard in shards
        if shard.is_open
    )
