"""The Spark session of the batch pipeline, with Hive's catalog."""

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from batch_jobs.lock import is_held
from batch_jobs.settings import BatchSettings
from headrace.errors import SettingsError

_LOG_CONFIG = Path(__file__).with_name("log4j2.properties")
_CHATTER = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")

_EVERYWHERE = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}


def is_local(settings: BatchSettings) -> bool:
    """Whether Spark runs on this machine, and the metastore with it."""
    return settings.spark_master.startswith("local")


def spark_session(settings: BatchSettings, *, app: str) -> SparkSession:
    """Start Spark with Hive's catalog, in UTC, in ANSI mode.

    On this machine (about 10 s): on 127.0.0.1 only, quiet, with the catalog in Derby below
    `settings.metastore_folder`, whose `metastore_lock` the caller holds. On a cluster the cluster's own
    configuration names the catalog: on EMR, Glue. Who handled SIGINT before goes on to.

    Raises SettingsError when the files lie on S3 and Spark on this machine.
    """
    builder = SparkSession.builder.appName(f"headrace batch {app}").enableHiveSupport()
    if settings.spark_master:  # else that of spark-submit
        builder = builder.master(settings.spark_master)
    folder = Path(settings.metastore_folder).resolve()
    for name, value in (
        _EVERYWHERE | (_on_this_machine(settings, folder) if is_local(settings) else {})
    ).items():
        builder = builder.config(name, value)
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    session: SparkSession = builder.getOrCreate()
    for logger in (logging.getLogger("py4j"), *map(PySparkLogger.getLogger, _CHATTER)):
        logger.setLevel(logging.CRITICAL)  # they log, with a stack, what the command reports in one line
    if in_main:
        signal.signal(signal.SIGINT, before)
    if is_local(settings):
        # Read when Derby starts, which the first look into the catalog does.
        java = session.sparkContext._jvm.java.lang.System  # type: ignore[union-attr]  # noqa: SLF001
        java.setProperty("derby.system.home", str(folder))
        java.setProperty("derby.stream.error.file", str(folder / "derby.log"))
    return session


def _on_this_machine(settings: BatchSettings, folder: Path) -> dict[str, str]:
    if settings.root_folder.startswith("s3://"):
        raise SettingsError(
            f"Spark on this machine does not read {settings.root_folder}: "
            "name a folder in HEADRACE_BATCH_ROOT, or a cluster in HEADRACE_SPARK_MASTER"
        )
    assert is_held(folder), "Derby serves one process: take metastore_lock first"
    os.environ["PYSPARK_PYTHON"] = sys.executable  # noqa: TID251  Spark's workers read it from there only
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": settings.spark_memory,
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={_LOG_CONFIG.as_uri()}",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(folder / "spark"),
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder}/db;create=true",
        "spark.hadoop.hive.exec.scratchdir": str(folder / "scratch"),
        "spark.hadoop.hive.exec.local.scratchdir": str(folder / "scratch"),
        "spark.hadoop.hive.downloaded.resources.dir": str(folder / "scratch"),
    }
