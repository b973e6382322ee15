"""The Spark session that the stream job runs in."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
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
    os.environ["PYSPARK_PYTHON"] = sys.executable  # noqa: TID251  Spark's workers read it from there only
    folder = state.resolve() / "spark"
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
    return _started(SparkSession.builder.master(master), own | _QUERY)


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
