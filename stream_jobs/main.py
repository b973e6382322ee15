"""The stream job: one query per stream, from Kinesis to the warehouse, until it is asked to stop."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from py4j.protocol import Py4JError  # type: ignore[import-untyped]  # it ships no types
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from headrace import errors
from headrace.errors import HaltError, QueryFailed
from headrace.ops.clock import Clock
from headrace.ops.health import HealthServer
from headrace.ops.logs import get_logger
from headrace.ops.shutdown import Shutdown
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.batch import ShardProgress
from headrace.warehouse.warehouse import Probe, Warehouse, connect, no_probe
from stream_jobs.commit import BatchCommitter
from stream_jobs.monitor import Monitor
from stream_jobs.patience import Stopped, patiently
from stream_jobs.session import check_java, spark_session
from stream_jobs.settings import StreamJobSettings
from stream_jobs.source.connection import StreamConnection
from stream_jobs.source.data_source import NAME, KinesisDataSource
from stream_jobs.source.offsets import TRIM_HORIZON, ShardOffset, StreamOffset
from stream_jobs.source.shards import Stream

_GOOD, _FAILED = 0, 1
_POLL = 0.25
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def run(
    settings: StreamJobSettings,
    environ: Mapping[str, str],
    *,
    clock: Clock,
    shutdown: Shutdown,
    probe: Probe = no_probe,
) -> int:
    """Run until a stop is requested (0) or something ends it (1), which the last log line names.

    Args:
        settings: validated.
        environ: where Java is looked for.
        clock: the time.
        shutdown: ends the job when requested.
        probe: called at the points of a commit; for tests.
    """
    logger = get_logger()
    settings.cache_folder.mkdir(parents=True, exist_ok=True)
    status_file(settings).unlink(missing_ok=True)
    monitor = Monitor(clock, status_file(settings))
    try:
        with HealthServer(monitor.health, port=settings.health_port) as server:
            logger.info("stream job starts", stream=settings.stream, health=f"http://127.0.0.1:{server.port}")
            check_java(environ)
            _stream(settings, clock, shutdown, monitor, probe)
    except Stopped:
        pass
    except HaltError as error:
        logger.error("stream job ends", error=type(error).__name__, why=str(error))  # noqa: TRY400  told whole
        return _FAILED
    logger.info("stream job stopped", reason=shutdown.reason)
    return _GOOD


def _stream(
    settings: StreamJobSettings, clock: Clock, shutdown: Shutdown, monitor: Monitor, probe: Probe
) -> None:
    """Find the stream and the warehouse, start Spark, take the stream over, and read until told to stop."""
    monitor.phase("connecting")
    connection = StreamConnection.open(settings.stream, clock, endpoint_url=None, region=None)
    stream = patiently(connection.describe, shutdown, monitor)
    warehouse = connect(settings.warehouse_url, clock, probe=probe)
    patiently(lambda: warehouse.prepare(list(OUTPUTS.values())), shutdown, monitor)
    monitor.phase("starting Spark")
    spark = spark_session(
        master=settings.spark_master, memory=settings.spark_memory, state=Path(settings.state)
    )
    try:
        identity = stream_identity(stream)
        epoch = patiently(lambda: warehouse.take_epoch(identity), shutdown, monitor)
        start = patiently(lambda: _start(warehouse, stream), shutdown, monitor)
        committer = BatchCommitter(
            warehouse, stream=identity, epoch=epoch, clock=clock, shutdown=shutdown, monitor=monitor
        )
        query = _start_query(spark, settings, start, committer)
        monitor.phase("running")
        get_logger().info(
            "reading",
            stream=identity,
            epoch=epoch,
            query=query.id,
            checkpoint=str(settings.checkpoint_folder),
        )
        _watch(query, committer, settings, clock, shutdown)
    finally:
        spark.stop()
        warehouse.close()


def status_file(settings: StreamJobSettings) -> Path:
    """Where the source's reader, a process of its own, says how it goes."""
    return settings.cache_folder.resolve() / f"{settings.stream}.status.json"


def stream_identity(stream: Stream) -> str:
    """The stream's name and creation: one made anew under the name is another stream."""
    return f"{stream.name}@{stream.created}"


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


def _start(warehouse: Warehouse, stream: Stream) -> str:
    return starting_position(stream, warehouse.progress(stream_identity(stream)))


def _start_query(
    spark: SparkSession, settings: StreamJobSettings, start: str, committer: BatchCommitter
) -> StreamingQuery:
    spark.dataSource.register(KinesisDataSource)
    options = {
        "kinesis.streamName": settings.stream,
        "kinesis.startingPosition": start,
        "kinesis.failOnDataLoss": str(settings.fail_on_data_loss).lower(),
        "maxRecordsPerBatch": str(settings.batch_records),
        "maxBytesPerBatch": str(settings.batch_bytes),
        "cacheDirectory": str(settings.cache_folder.resolve()),
        "cacheBytes": str(settings.cache_bytes),
        "statusFile": str(status_file(settings)),
        "maxPartitions": str(spark.sparkContext.defaultParallelism),
        "deaggregate": "false",  # the fold takes aggregates apart: 50 kB cross the JVM faster than 250 rows
        "markers": "true",
    }
    writer = spark.readStream.format(NAME).options(**options).load().writeStream
    query = (
        writer.queryName(settings.stream)
        .option("checkpointLocation", str(settings.checkpoint_folder.resolve()))
        .trigger(processingTime=f"{settings.trigger_ms} milliseconds")
        .foreachBatch(committer)
        .start()
    )
    committer.query_is(query.id)
    return query


def _watch(
    query: StreamingQuery,
    committer: BatchCommitter,
    settings: StreamJobSettings,
    clock: Clock,
    shutdown: Shutdown,
) -> None:
    """Wait for a stop, and let the batch under way end. Raises what ended the query."""
    try:
        while query.isActive:
            if shutdown.wait(_POLL):
                _drain(query, committer, clock, settings.drain_seconds)
                return
        ended = str(query.exception() or "the query ended")
    except (Py4JError, PySparkException, ConnectionError) as error:
        ended = f"Spark's JVM is gone: {error}"
    if shutdown.requested():
        return
    raise committer.failure or _told_by_spark(ended)


def _drain(query: StreamingQuery, committer: BatchCommitter, clock: Clock, seconds: float) -> None:
    """Stop between two batches; the offsets of one cut off are replayed at the next start."""
    committer.close()
    deadline = clock.monotonic() + seconds
    while query.isActive and query.status["isTriggerActive"] and clock.monotonic() < deadline:
        clock.sleep(_POLL / 5)
    query.stop()


def _told_by_spark(text: str) -> HaltError:
    """The error behind a failed query; one from the source's worker process comes as a traceback's text."""
    found = re.search(r"headrace\.errors\.(\w+): (.*)", text)
    kind = getattr(errors, found[1], None) if found else None
    if found and isinstance(kind, type) and issubclass(kind, HaltError):
        return kind(found[2])
    return QueryFailed(text)
