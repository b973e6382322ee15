"""The streaming query: started where the warehouse stands, watched, and stopped between two batches."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Self

import msgspec
from py4j.protocol import Py4JError  # type: ignore[import-untyped]  # it ships no types
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from headrace import errors
from headrace.errors import HaltError, QueryFailed
from headrace.ops.clock import Clock
from headrace.ops.shutdown import Shutdown
from headrace.warehouse.batch import ShardProgress
from stream_jobs.commit import BatchCommitter
from stream_jobs.settings import StreamJobSettings
from stream_jobs.source.connection import StreamConnection
from stream_jobs.source.data_source import NAME, KinesisDataSource
from stream_jobs.source.offsets import TRIM_HORIZON, ShardOffset, StreamOffset
from stream_jobs.source.shards import Stream

_POLL = 0.25
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class StreamQuery:
    """A query under way."""

    def __init__(self, query: StreamingQuery, committer: BatchCommitter, clock: Clock) -> None:
        self.id = str(query.id)
        self._query = query
        self._committer = committer
        self._clock = clock

    @classmethod
    def start(
        cls,
        spark: SparkSession,
        settings: StreamJobSettings,
        connection: StreamConnection,
        committer: BatchCommitter,
        clock: Clock,
        *,
        stream: Stream,
        start: str,
    ) -> Self:
        """Start reading the stream; `start` is where a checkpoint that is new begins."""
        spark.dataSource.register(KinesisDataSource)
        parallelism = spark.sparkContext.defaultParallelism
        options = source_options(
            settings, connection, created=stream.created, start=start, partitions=parallelism
        )
        query = (
            spark.readStream.format(NAME)
            .options(**options)
            .load()
            .writeStream.option("checkpointLocation", settings.checkpoint_location)
            .trigger(processingTime=f"{settings.trigger_ms} milliseconds")
            .foreachBatch(committer)
            .start()
        )
        committer.query_is(query.id)
        return cls(query, committer, clock)

    @property
    def is_active(self) -> bool:
        """Whether the query has neither been stopped nor failed."""
        return bool(self._query.isActive)

    def failure(self) -> Exception:
        """What ended the query."""
        return self._committer.failure or told_by_spark(str(self._query.exception() or "the query ended"))

    def watch(self, shutdown: Shutdown, *, drain_seconds: float, look: Callable[[], None]) -> None:
        """Wait for a stop, and let the batch under way end; `look` is called every so often.

        Raises what ended the query.
        """
        try:
            while self.is_active:
                look()
                if shutdown.wait(_POLL):
                    self.drain(drain_seconds)
                    return
            failure = self.failure()
        except (Py4JError, PySparkException, ConnectionError) as error:
            failure = QueryFailed(f"Spark's JVM is gone: {error}")
        if not shutdown.requested():
            raise failure

    def drain(self, seconds: float) -> None:
        """Stop between two batches; one that takes longer is cut off, and replayed at the next start."""
        self._committer.close()
        deadline = self._clock.monotonic() + seconds
        while self.is_active and self._query.status["isTriggerActive"]:
            if self._clock.monotonic() >= deadline:
                break
            self._clock.sleep(_POLL / 5)
        self._query.stop()


def source_options(
    settings: StreamJobSettings, connection: StreamConnection, *, created: int, start: str, partitions: int
) -> dict[str, str]:
    """The source's options; endpoint and region as the driver found them, for tasks that know less."""
    return {
        "kinesis.streamName": settings.stream,
        "kinesis.streamCreated": str(created),
        "kinesis.endpointUrl": connection.endpoint.url,
        "kinesis.region": connection.endpoint.region,
        "kinesis.startingPosition": start,
        "kinesis.failOnDataLoss": str(settings.fail_on_data_loss).lower(),
        "maxRecordsPerBatch": str(settings.batch_records),
        "maxBytesPerBatch": str(settings.batch_bytes),
        "cacheDirectory": str(settings.cache_folder.resolve()),
        "cacheBytes": str(settings.cache_bytes),
        "sharedCache": str(not settings.submitted).lower(),
        "statusFile": str(settings.status_file),
        "maxPartitions": str(partitions),
        "deaggregate": "false",  # the fold takes aggregates apart: 50 kB cross the JVM faster than 250 rows
        "markers": "true",
    }


def starting_position(stream: Stream, progress: list[ShardProgress]) -> str:
    """Where a new checkpoint begins: after what the warehouse has, or at the beginning if it has nothing."""
    if not progress:
        return TRIM_HORIZON
    shards = {
        shard.shard: ShardOffset(
            origin=shard.position or TRIM_HORIZON,
            position=shard.position or TRIM_HORIZON,
            frontier=(shard.frontier - _EPOCH) // _MICROSECOND,
            closed=shard.closed,
            parents=shard.parents,
        )
        for shard in progress
    }
    offset = StreamOffset(stream=stream.name, created=stream.created, shards=shards)
    return msgspec.json.encode(offset.to_json()).decode()


def told_by_spark(text: str) -> HaltError:
    """The error behind a failed query; one from the source's worker process comes as a traceback's text."""
    found = re.search(r"headrace\.errors\.(\w+): (.*)", text)
    kind = getattr(errors, found[1], None) if found else None
    if found and isinstance(kind, type) and issubclass(kind, HaltError):
        return kind(found[2])
    return QueryFailed(text)
