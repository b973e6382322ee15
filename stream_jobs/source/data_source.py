"""Kinesis as a streaming source of Spark.

    spark.dataSource.register(KinesisDataSource)
    spark.readStream.format("headrace-kinesis").option("kinesis.streamName", "events").load()

One class for all versions: Spark 4.0 and 4.1 call `latestOffset()`, later ones `latestOffset(start, limit)`.
"""

import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition
from pyspark.sql.types import StructType

from headrace.ops.clock import SystemClock
from stream_jobs.source.admission import Limits
from stream_jobs.source.carried import Carried, Chunks
from stream_jobs.source.offsets import ShardOffset, ShardRange, StreamOffset, initial_offset, range_of
from stream_jobs.source.options import SourceOptions, parse_options
from stream_jobs.source.range_reader import read_range
from stream_jobs.source.rows import SPARK_SCHEMA, marker_rows, record_rows
from stream_jobs.source.shards import check_identity

if TYPE_CHECKING:  # they bring botocore, which of Spark's five processes for a query one needs
    from stream_jobs.source.connection import StreamConnection
    from stream_jobs.source.read_ahead import ReadAhead

try:  # since Spark 4.2
    from pyspark.sql.streaming.datasource import (  # type: ignore[import-not-found,unused-ignore]
        ReadMaxRows,
        SupportsTriggerAvailableNow,
    )

    _MIXINS: tuple[type, ...] = (SupportsTriggerAvailableNow,)
except ImportError:
    _MIXINS = ()

NAME = "headrace-kinesis"
_UNLIMITED = Limits(sys.maxsize, sys.maxsize, sys.maxsize)


class KinesisDataSource(DataSource):
    """The format; the options are those of `options.SourceOptions`."""

    @classmethod
    def name(cls) -> str:
        """What `format(...)` takes."""
        return NAME

    def schema(self) -> str:
        """The columns of the `aws-kinesis` connector, plus `shardId` and `subSequenceNumber`."""
        return SPARK_SCHEMA

    def streamReader(self, schema: StructType) -> DataSourceStreamReader:  # noqa: ARG002, N802  Spark's name
        """A reader; it connects when it is first asked for an offset."""
        return KinesisStreamReader(parse_options(dict(self.options)))


class ShardGroup(InputPartition):
    """What one task reads: parts of some shards, then the markers."""

    def __init__(
        self, ranges: Sequence[ShardRange], markers: dict[str, ShardOffset], fetched: Chunks | None
    ) -> None:
        super().__init__(None)
        self.ranges = tuple(ranges)
        self.markers = markers
        self.fetched = fetched


class KinesisStreamReader(DataSourceStreamReader, *_MIXINS):  # type: ignore[misc]  # known at run time only
    """The reader; in Spark's driver-side worker it lives as long as the query, a task gets a copy."""

    def __init__(self, options: SourceOptions) -> None:
        self._options = options
        self._at: StreamOffset | None = None  # the last offset that Spark and we spoke of
        self._ahead: ReadAhead | None = None

    def initialOffset(self) -> dict[str, Any]:  # noqa: N802  Spark's name
        """A constant; where batch 0 really starts is in its end offset."""
        return initial_offset(self._options.stream).to_json()

    def latestOffset(  # noqa: N802  Spark's name
        self, start: dict[str, Any] | None = None, limit: object = None
    ) -> dict[str, Any]:
        """Up to where the next batch may read; the last offset again while there is nothing new."""
        at = StreamOffset.from_json(start) if start else self._at or initial_offset(self._options.stream)
        self._at = self._live().next_offset(at, limits_of(limit, self._options.limits))
        return self._at.to_json()

    def getDefaultReadLimit(self) -> object:  # noqa: N802  Spark's name, since 4.2
        """The limit in rows; the one in bytes is kept beside it, since Spark takes one only."""
        return ReadMaxRows(self._options.rows_per_batch)

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802  Spark's name, since 4.2
        """Take what the stream holds now, and end."""
        self._live().end_at_tip()

    def reportLatestOffset(self) -> dict[str, Any] | None:  # noqa: N802  Spark's name, since 4.2
        """Each shard's tip and lag, for the query's progress."""
        return msgspec.to_builtins(self._ahead.state()) if self._ahead else None

    def partitions(self, start: dict[str, Any], end: dict[str, Any]) -> Sequence[InputPartition]:
        """The parts of the shards between two offsets, spread over at most `maxPartitions` tasks."""
        first, last = StreamOffset.from_json(start), StreamOffset.from_json(end)
        if self._options.created:  # a batch that was never committed is replayed before anyone asks Kinesis
            check_identity(last, self._options.stream, self._options.created)
        self._at = last
        if start == end:
            return []
        ranges = [range_of(name, first, last) for name in sorted(last.shards)]
        ranges = [part for part in ranges if part.after != part.last]
        done = {name for name, shard in first.shards.items() if shard.closed}
        markers = {name: shard for name, shard in last.shards.items() if name not in done}
        markers = markers if self._options.markers else {}
        count = max(1, min(self._options.max_partitions, len(ranges)))
        groups = [ranges[number::count] for number in range(count)]
        return [
            ShardGroup(group, {} if number else markers, self._fetched(group))
            for number, group in enumerate(groups)
        ]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """The rows of one task, shard by shard in the shard's order, then the markers."""
        if not isinstance(partition, ShardGroup):
            raise TypeError(f"not a partition of this source: {partition!r}")
        options = self._options
        connect = partial(_connection, options.stream, options.endpoint, options.region)
        for wanted in partition.ranges:
            parts = read_range(
                wanted,
                partition.fetched,
                connect,
                SystemClock(),
                fail_on_data_loss=options.fail_on_data_loss,
            )
            for records in parts:
                yield from record_rows(
                    records, stream=options.stream, shard=wanted.shard, split=options.deaggregate
                )
        if partition.markers:
            yield marker_rows(options.stream, partition.markers)

    def _fetched(self, group: Sequence[ShardRange]) -> Chunks | None:
        """What a task finds fetched: the cache, or where it cannot see that, the records themselves."""
        cache = self._ahead.cache if self._ahead is not None else None
        return cache if cache is None or self._options.shared_cache else Carried.of(cache, group)

    def _live(self) -> "ReadAhead":
        if self._ahead is None:
            from stream_jobs.source.read_ahead import ReadAhead  # noqa: PLC0415  as above

            self._ahead = ReadAhead(self._options, SystemClock())
        return self._ahead

    def commit(self, end: dict[str, Any]) -> None:
        """Spark will not ask for what lies before `end` again: the cache may let go of it."""
        if self._ahead is not None:
            self._ahead.release(StreamOffset.from_json(end))

    def stop(self) -> None:
        """Stop reading ahead, and remove the cache."""
        if self._ahead is not None:
            self._ahead.close()


def limits_of(limit: object, options: Limits) -> Limits:
    """The limits of a batch, given Spark's ReadLimit: None before 4.2; ReadAllAvailable means no limit."""
    if limit is None:
        return options
    if isinstance(rows := getattr(limit, "max_rows", None), int):
        return options._replace(rows=rows)
    if isinstance(size := getattr(limit, "max_bytes", None), int):
        return options._replace(size=size)
    return _UNLIMITED


@lru_cache(maxsize=4)
def _connection(stream: str, endpoint: str | None, region: str | None) -> "StreamConnection":
    """One connection for all tasks of a worker process: Spark uses the process again, not the reader."""
    from stream_jobs.source.connection import StreamConnection  # noqa: PLC0415  as above

    return StreamConnection.open(stream, SystemClock(), endpoint_url=endpoint, region=region)
