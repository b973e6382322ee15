"""The Kinesis calls that we use, typed, whoever carries them: our own client or boto3.

Nothing is retried here: the caller knows what a second attempt means. Every error is one of headrace.errors;
see `faults`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Literal, NamedTuple, TypeVar

import msgspec

from headrace.errors import KinesisNotFound, KinesisUnavailable, StreamInUse
from headrace.kinesis.messages import (
    MAX_GET_RECORDS,
    GetRecordsAnswer,
    ListShardsAnswer,
    PutEntry,
    PutRecordsAnswer,
    PutResult,
    ShardDescription,
    ShardIteratorAnswer,
    StreamSummary,
    StreamSummaryAnswer,
)
from headrace.ops.clock import Clock

CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0
CONNECTIONS = 64  # kept open when idle: all inputs of a producer share a client
NOTICEABLE_SKEW = timedelta(minutes=1)  # of our clock; the service bears five
_POLL_SECONDS = 0.25

Answer = TypeVar("Answer", bound=msgspec.Struct)
StartAt = Literal["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]


class Records(NamedTuple):
    """What GetRecords answered, and the service's clock when it did."""

    answer: GetRecordsAnswer
    date: datetime


class Kinesis(ABC):
    """One Kinesis endpoint; threads may share it.

    Its calls raise KinesisUnavailable, KinesisRefused or one of their kinds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @abstractmethod
    def close(self) -> None:
        """Close the idle connections."""

    @abstractmethod
    def _ask(
        self, operation: str, request: Mapping[str, object], kind: type[Answer]
    ) -> tuple[Answer, datetime | None]:
        """One call, and the service's own clock when it answered, to the second, if it told."""

    @abstractmethod
    def _tell(self, operation: str, request: Mapping[str, object]) -> None:
        """One call that has no answer."""

    def put_records(self, stream: str, entries: Sequence[PutEntry]) -> list[PutResult]:
        """Put 1 to 500 records; one result per entry: read each, a part may have failed."""
        answer = self._ask("PutRecords", {"StreamName": stream, "Records": entries}, PutRecordsAnswer)[0]
        if len(answer.records) != len(entries):
            raise KinesisUnavailable(f"PutRecords answered {len(answer.records)} results for {len(entries)}")
        return answer.records

    def get_shard_iterator(
        self,
        stream: str,
        shard_id: str,
        start: StartAt,
        *,
        sequence_number: str | None = None,
        timestamp: datetime | None = None,
    ) -> str:
        """A place in a shard to read from."""
        request: dict[str, object] = {
            "StreamName": stream,
            "ShardId": shard_id,
            "ShardIteratorType": start,
        }
        if sequence_number is not None:
            request["StartingSequenceNumber"] = sequence_number
        if timestamp is not None:
            request["Timestamp"] = timestamp.timestamp()
        return self._ask("GetShardIterator", request, ShardIteratorAnswer)[0].shard_iterator

    def get_records(self, iterator: str, limit: int = MAX_GET_RECORDS) -> Records:
        """The next records of a shard. Raises IteratorExpired five minutes after the iterator was given."""
        answer, date = self._ask("GetRecords", {"ShardIterator": iterator, "Limit": limit}, GetRecordsAnswer)
        if date is None:  # how far a shard has been read is told by the service's clock, never by ours
            raise KinesisUnavailable("GetRecords answered without a Date")
        return Records(answer, date)

    def list_shards(self, stream: str) -> list[ShardDescription]:
        """All shards that the stream still keeps, open and closed, of all pages."""
        shards: list[ShardDescription] = []
        request = {"StreamName": stream}
        while True:
            page = self._ask("ListShards", request, ListShardsAnswer)[0]
            shards += page.shards
            if page.next_token is None:
                return shards
            request = {"NextToken": page.next_token}

    def describe_stream_summary(self, stream: str) -> StreamSummary:
        """The stream's state. Raises KinesisNotFound when there is none."""
        answer = self._ask("DescribeStreamSummary", {"StreamName": stream}, StreamSummaryAnswer)[0]
        return answer.stream_description_summary

    def create_stream(self, stream: str, *, shards: int | None = None, wait_seconds: float = 60.0) -> bool:
        """Make the stream (on demand, if no shard count is given) and wait for it; False: it was there."""
        request: dict[str, object] = {"StreamName": stream}
        request["StreamModeDetails"] = {"StreamMode": "ON_DEMAND" if shards is None else "PROVISIONED"}
        if shards is not None:
            request["ShardCount"] = shards
        try:
            self._tell("CreateStream", request)
            made = True
        except StreamInUse:
            made = False
        self.wait_until_active(stream, wait_seconds)
        return made

    def wait_until_active(self, stream: str, seconds: float = 60.0) -> StreamSummary:
        """The stream's state once it is ACTIVE. Raises StreamInUse when it is not within that time."""
        deadline = self._clock.monotonic() + seconds
        while True:
            summary = self.describe_stream_summary(stream)
            if summary.stream_status == "ACTIVE":
                return summary
            if self._clock.monotonic() >= deadline:
                raise StreamInUse(f"stream {stream} is {summary.stream_status} after {seconds:g} s")
            self._clock.sleep(_POLL_SECONDS)

    def delete_stream(self, stream: str, *, wait_seconds: float = 60.0) -> None:
        """Delete the stream with its records and wait until it is gone."""
        self._tell("DeleteStream", {"StreamName": stream})
        deadline = self._clock.monotonic() + wait_seconds
        while self._clock.monotonic() < deadline:
            try:
                self.describe_stream_summary(stream)
            except KinesisNotFound:
                return
            self._clock.sleep(_POLL_SECONDS)
        raise StreamInUse(f"stream {stream} is still there after {wait_seconds:g} s")


@lru_cache(maxsize=16)  # a header holds for a second
def read_date(header: str) -> datetime | None:
    """The time in an answer's Date header, if it is one."""
    try:
        return parsedate_to_datetime(header)
    except ValueError:
        return None
