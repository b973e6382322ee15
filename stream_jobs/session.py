"""The Spark session that the stream job runs in."""

import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

_LOG_CONFIG = Path(__file__).with_name("log4j2.properties")
_QUERY = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.streaming.minBatchesToRetain": "20",
    # A row may be an aggregate of 50 kB, or a record of 10 MiB: bound Arrow batches by bytes.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "10000",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(4 << 20),
}


def submitted_session() -> SparkSession:
    """The session of a job under spark-submit, in UTC: everything else is as spark-submit was told."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # noqa: TID251  Spark's workers read it there only
    return _started(SparkSession.builder, _QUERY)


def spark_session(*, master: str, memory: str, state: Path) -> SparkSession:
    """Start Spark (about 5 s), on 127.0.0.1 only, in UTC, quiet, keeping its files below `state`."""
    folder = state.resolve() / "spark"
    os.environ["PYSPARK_PYTHON"] = str(_python(folder))  # noqa: TID251  Spark reads it from there only
    own = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": memory,
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={_LOG_CONFIG.as_uri()}",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(folder / "local"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    with _no_look_for_sources():
        return _started(SparkSession.builder.master(master), own | _QUERY)


@contextmanager
def _no_look_for_sources() -> Iterator[None]:
    """Where Spark sees no Python, it starts no process that looks for data sources in all packages."""
    name, environ = "PYSPARK_DRIVER_PYTHON", os.environ  # noqa: TID251  Java takes it over when it starts
    before = environ.get(name)
    environ[name] = "none"
    try:
        yield
    finally:
        environ.pop(name)
        environ |= {} if before is None else {name: before}


def _python(folder: Path) -> Path:
    """This Python, for Spark's workers, which imports pyspark from where it is installed.

    Spark would have them import it from a zip, in which nothing is compiled: each of the many processes that
    a query starts would compile it anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "python"
    zips = '"${PYTHONPATH#*-src.zip:}"'  # pyspark's and, after it, py4j's
    program.write_text(f'#!/bin/sh\nPYTHONPATH={zips} exec {shlex.quote(sys.executable)} "$@"\n')
    program.chmod(0o755)
    return program


def _started(builder: SparkSession.Builder, configuration: Mapping[str, str]) -> SparkSession:
    """Spark would take SIGINT for itself; who handled it before goes on to."""
    builder = builder.appName("headrace-stream")
    for name, value in configuration.items():
        builder = builder.config(name, value)
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    session: SparkSession = builder.getOrCreate()
    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # it logs what the job reports in one line
    if in_main:
        signal.signal(signal.SIGINT, before)
    return session
