"""The stream job: one query per stream, from Kinesis to the warehouse, until it is asked to stop."""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pyspark.sql import SparkSession

from headrace.errors import FencedOut, HaltError
from headrace.ops.clock import Clock
from headrace.ops.emf import EmfReporter
from headrace.ops.health import HealthServer
from headrace.ops.logs import get_logger
from headrace.ops.shutdown import Shutdown
from headrace.schemas.registry import OUTPUTS
from headrace.schemas.streams import stream_identity
from headrace.warehouse.probe import Probe, no_probe
from headrace.warehouse.reconcile import reconcile
from headrace.warehouse.warehouse import connect
from stream_jobs.commit import BatchCommitter
from stream_jobs.java import find_java
from stream_jobs.monitor import Monitor
from stream_jobs.patience import Stopped, patiently
from stream_jobs.proof import Proof
from stream_jobs.query import StreamQuery, starting_position
from stream_jobs.session import spark_session, submitted_session
from stream_jobs.settings import StreamJobSettings
from stream_jobs.source.connection import StreamConnection

_GOOD, _FAILED = 0, 1


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
    settings.status_file.unlink(missing_ok=True)
    monitor = Monitor(clock, settings.status_file)
    try:
        with HealthServer(monitor.health, port=settings.health_port) as server:
            logger.info("stream job starts", stream=settings.stream, health=f"http://127.0.0.1:{server.port}")
            if not settings.submitted:
                find_java(environ)
            _stream(settings, clock, shutdown, monitor, probe)
    except Stopped:
        pass
    except FencedOut as error:
        logger.error("stream job ends: a newer one has taken over", why=str(error))  # noqa: TRY400  told whole
        # A cluster starts anew what ended badly, and the new life would fence the newer job out in its turn.
        return _GOOD if settings.submitted else _FAILED
    except HaltError as error:
        logger.error("stream job ends", error=type(error).__name__, why=str(error))  # noqa: TRY400  told whole
        return _FAILED
    logger.info("stream job stopped", reason=shutdown.reason)
    return _GOOD


def _reporter(settings: StreamJobSettings, clock: Clock) -> EmfReporter:
    return EmfReporter(
        clock,
        sys.stdout,
        seconds=settings.emf_seconds,
        namespace=settings.emf_namespace,
        dimensions={"Stream": settings.stream},
    )


def _session(settings: StreamJobSettings) -> SparkSession:
    if settings.submitted:
        return submitted_session()
    return spark_session(
        master=settings.spark_master, memory=settings.spark_memory, state=Path(settings.state)
    )


def _stream(
    settings: StreamJobSettings, clock: Clock, shutdown: Shutdown, monitor: Monitor, probe: Probe
) -> None:
    """Find the stream and the warehouse, start Spark, take the stream over, and read until told to stop."""
    monitor.phase("connecting")
    connection = StreamConnection.open(settings.stream, clock)
    stream = patiently(connection.describe, shutdown, monitor)
    warehouse = connect(settings.warehouse_url, clock, breaker_share=settings.breaker_share, probe=probe)
    patiently(lambda: warehouse.prepare(list(OUTPUTS.values())), shutdown, monitor)
    monitor.phase("starting Spark")
    spark = _session(settings)
    try:
        identity = stream_identity(stream.name, stream.created)
        epoch = patiently(lambda: warehouse.take_epoch(identity), shutdown, monitor)
        progress = patiently(lambda: warehouse.progress(identity), shutdown, monitor)
        committer = BatchCommitter(
            warehouse, stream=identity, epoch=epoch, clock=clock, shutdown=shutdown, monitor=monitor
        )
        start = starting_position(stream, progress)
        query = StreamQuery.start(spark, settings, connection, committer, clock, stream=stream, start=start)
        monitor.phase("running")
        get_logger().info("reading", stream=identity, epoch=epoch, query=query.id)
        read = partial(reconcile, settings.warehouse_url, clock)
        Proof(read, clock, settings.proof_seconds).start(shutdown)
        query.watch(shutdown, drain_seconds=settings.drain_seconds, look=_reporter(settings, clock).step)
    finally:
        spark.stop()
        warehouse.close()
