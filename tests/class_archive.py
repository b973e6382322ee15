"""Spark's classes as Java leaves them once they are loaded and checked: half of each start of Spark saved.

Java takes the archive only for the very files and the very Java it was made with, and goes on without it
otherwise. Source: JDK 17, the `java` command, "Application Class-Data Sharing".
"""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PLACE = Path(sys.prefix) / "share/headrace/spark.jsa"
_QUIETLY = "-Xlog:cds=off -Xlog:cds+dynamic=off"  # of an archive that does not fit


def options(place: Path = PLACE) -> str:
    """Options for a Java that starts Spark; none where no archive is."""
    return f"-XX:SharedArchiveFile={place} {_QUIETLY}" if place.exists() else ""


def make(place: Path = PLACE) -> None:
    """Let Spark do a little of what it does in headrace, and leave its classes at its end."""
    from pyspark import SparkContext  # noqa: PLC0415  most tests need none
    from pyspark.sql import SparkSession  # noqa: PLC0415

    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        unfinished = Path(folder, "spark.jsa")
        builder = SparkSession.builder.master("local[2]").enableHiveSupport()
        for name, value in _configuration(Path(folder), unfinished).items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        _work(session, Path(folder))
        session.stop()
        gateway: Any = SparkContext._gateway  # nothing else knows when Java has ended
        gateway.proc.stdin.close()
        gateway.proc.wait()
        if unfinished.exists():  # not every Java writes one
            unfinished.replace(place)


def _configuration(folder: Path, archive: Path) -> dict[str, str]:
    java = f"-XX:ArchiveClassesAtExit={archive} -XX:TieredStopAtLevel=1 {_QUIETLY}"
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"{java} -Dderby.system.home={folder / 'derby'}",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.local.dir": str(folder / "local"),
        "spark.sql.warehouse.dir": str(folder / "tables"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:;databaseName=metastore;create=true",
    }


def _work(session: Any, folder: Path) -> None:
    """A stream through Python into a batch function, and a table."""

    def as_it_is(batches: Iterable[Any]) -> Iterable[Any]:
        yield from batches

    def commit(frame: Any, _batch: int) -> None:
        frame.mapInArrow(as_it_is, frame.schema).groupBy("value").count().toArrow()

    stream = session.readStream.format("rate").load().writeStream.foreachBatch(commit)
    stream.trigger(once=True).option(
        "checkpointLocation", str(folder / "checkpoint")
    ).start().awaitTermination()
    session.range(10).write.format("parquet").saveAsTable("numbers")
    session.sql("SELECT COUNT(*) FROM numbers").collect()


if __name__ == "__main__":
    if not PLACE.exists():
        sys.stderr.write("tests: archiving Spark's classes, once, so that each test's Spark starts sooner\n")
        make()
