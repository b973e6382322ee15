"""A place in one shard that moves on with every answer of GetRecords."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

import pyarrow as pa

from headrace.errors import RecordsTrimmed
from headrace.kinesis.messages import MAX_GET_RECORDS, Record
from headrace.kinesis.port import Records, StartAt
from stream_jobs.source.cache import RECORDS
from stream_jobs.source.offsets import is_sequence, iterator_request
from stream_jobs.source.shards import REMEDY_FOR_LOSS

_DATE_RESOLUTION = timedelta(seconds=1)  # of the Date header
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ShardReads(Protocol):
    """The calls that a cursor makes; `headrace.kinesis.port.Kinesis` is one."""

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
        ...

    def get_records(self, iterator: str, limit: int = MAX_GET_RECORDS) -> Records:
        """The next records of a shard."""
        ...


class Fetched(NamedTuple):
    """One answer.

    Attributes:
        records: what it held, in order; columns `cache.RECORDS`; None when it was empty.
        frontier: every record that arrived before it has now been read; microseconds since 1970.
        behind_ms: how far the service says that the shard's end is ahead.
        drained: the shard is closed, and nothing follows.
    """

    records: pa.Table | None
    frontier: int
    behind_ms: int
    drained: bool


class ShardCursor:
    """Reads one shard onward from a position.

    Args:
        retention: how long the stream keeps records, to tell when some were dropped unread;
            None takes what is there.
    """

    def __init__(
        self,
        client: ShardReads,
        stream: str,
        shard: str,
        *,
        position: str,
        frontier: int,
        retention: timedelta | None,
    ) -> None:
        self.position = position
        self.frontier = frontier
        self._client = client
        self._stream = stream
        self._shard = shard
        self._retention = retention
        self._iterator: str | None = None

    def fetch(self, limit: int = MAX_GET_RECORDS) -> Fetched:
        """Ask once and move on. After any error the place is unchanged: just call again.

        Raises KinesisUnavailable and KinesisRefused with their kinds, IteratorExpired after a pause of five
        minutes, and RecordsTrimmed when the stream's retention has dropped records that were not read.
        """
        if self._iterator is None:
            self._iterator = self._open(iterator_request(self.position))
        iterator, self._iterator = self._iterator, None
        answer, date = self._client.get_records(iterator, limit)
        self._check_for_loss(answer.records[:1], date)
        drained = answer.next_shard_iterator is None
        if answer.records:
            self.position = answer.records[-1].sequence_number
            self.frontier = max(self.frontier, answer.records[-1].arrival_ms * 1000)
        elif not drained:
            tip = date - timedelta(milliseconds=answer.millis_behind_latest) - _DATE_RESOLUTION
            self.frontier = max(self.frontier, (tip - _EPOCH) // _MICROSECOND)
        self._iterator = answer.next_shard_iterator
        records = to_table(answer.records) if answer.records else None
        return Fetched(records, self.frontier, answer.millis_behind_latest, drained)

    def _open(self, request: tuple[StartAt, str | None, datetime | None]) -> str:
        start, sequence_number, timestamp = request
        return self._client.get_shard_iterator(
            self._stream, self._shard, start, sequence_number=sequence_number, timestamp=timestamp
        )

    def _check_for_loss(self, first: list[Record], date: datetime) -> None:
        """Whether retention may have overtaken us. Kinesis does not say so: it goes on behind the gap.

        Nothing is lost while the horizon lies before the frontier, or while the last record that was read
        is still there, because records leave in their order.
        """
        if self._retention is None or not self.frontier:
            return
        horizon = (date - self._retention - _EPOCH) // _MICROSECOND
        if horizon <= self.frontier or self._still_there():
            return
        found = f"the next record is {first[0].sequence_number}" if first else "nothing has followed since"
        raise RecordsTrimmed(
            f"stream {self._stream!r}, {self._shard}: records after {self.position} may have been dropped "
            f"by the stream's retention of {self._retention} before they were read ({found}). "
            f"{REMEDY_FOR_LOSS}"
        )

    def _still_there(self) -> bool:
        if not is_sequence(self.position):
            return False
        iterator = self._open(("AT_SEQUENCE_NUMBER", self.position, None))
        records = self._client.get_records(iterator, 1).answer.records
        return bool(records) and records[0].sequence_number == self.position


def to_table(records: list[Record]) -> pa.Table:
    """Kinesis records as columns."""
    return pa.table(
        [
            pa.array([record.data for record in records], pa.binary()),
            pa.array([record.partition_key for record in records], pa.string()),
            pa.array([record.sequence_number for record in records], pa.string()),
            pa.array([record.arrival_ms * 1000 for record in records], pa.int64()).cast(
                RECORDS.field("approximateArrivalTimestamp").type
            ),
        ],
        schema=RECORDS,
    )
