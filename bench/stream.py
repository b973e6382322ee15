"""Records per second of the stream job, against the same session that only reads, decodes and counts.

    python -m bench.stream --json

Both read the same aggregated web_access events from the Kinesis double, which runs in a process of its own;
the job writes three windowed outputs and the ledger to the embedded PostgreSQL. What is timed begins when the
second batch is done, so that Spark's start and the workers' imports are left out.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from headrace.kinesis.aggregation import UserRecord, aggregate
from headrace.kinesis.messages import PutEntry
from headrace.ops import logs
from headrace.ops.clock import SystemClock
from headrace.ops.shutdown import Shutdown
from headrace.schemas.codec import Event, decode, encode
from headrace.schemas.records.web_access import WebAccess
from headrace.schemas.registry import OUTPUTS
from headrace.schemas.streams import stream_identity
from headrace.warehouse.batch import Committed, FoldedBatch
from headrace.warehouse.warehouse import connect
from infra.local import postgres
from infra.local.state import State
from stream_jobs.commit import BatchCommitter
from stream_jobs.fold.intake import payloads_of
from stream_jobs.monitor import Monitor
from stream_jobs.query import source_options, starting_position
from stream_jobs.session import spark_session
from stream_jobs.settings import StreamJobSettings
from stream_jobs.source.connection import StreamConnection
from stream_jobs.source.data_source import NAME, KinesisDataSource
from tests.doubles.kinesis import KinesisDouble

RECORDS = 2_000_000
SHARDS = 4
PER_AGGREGATE = 200
SMALL_BATCH = 1_000
SMALL_ROUNDS = 7
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def event(number: int, random_number: Callable[[int], int]) -> bytes:
    """A request of about 200 bytes on the wire, of a busy minute: 500 paths, 5,000 clients."""
    client = random_number(5000)
    data = WebAccess(
        client_address=f"10.0.{client >> 8}.{client & 255}",
        method="GET",
        path=f"/{random_number(500)}",
        status=(200, 200, 200, 304, 404)[random_number(5)],
        bytes=random_number(100_000),
    )
    return encode("web-7/01J", number, START + timedelta(milliseconds=number // 4), data)


def aggregates(first: int, count: int) -> Iterator[bytes]:
    """Events `first` and on, in aggregates of runs of numbers, as the producer sends them."""
    draw = random.Random(first).randrange  # noqa: S311  test data
    raws = [event(number, draw) for number in range(first, first + count)]
    for begin in range(0, count, PER_AGGREGATE):
        yield aggregate([UserRecord("a", None, raw) for raw in raws[begin : begin + PER_AGGREGATE]])


def serve(records: int, ready: Connection) -> None:
    """The double, filled; runs in a process of its own until it is ended."""
    with KinesisDouble() as double:
        double.api.keep_encoded = True
        double.create_stream("events", shards=SHARDS)
        for number, data in enumerate(aggregates(1, records)):
            double.put("events", data, key=str(number)).wire(keep=True)
        ready.send((double.url, sum(len(record.data) for record in double.records())))
        ready.recv()


@dataclass
class Timeline:
    """When how many records were done."""

    points: list[tuple[float, int]] = field(default_factory=list)
    done: int = 0

    def add(self, records: int) -> None:
        """So many more are done."""
        self.done += records
        self.points.append((time.perf_counter(), self.done))

    def rate(self) -> float:
        """Records a second from the end of the second batch to the end of the last full one.

        What is left over for the very last batch costs a batch's time and is nobody's throughput.
        """
        sizes = [after - before for (_, before), (_, after) in itertools.pairwise(self.points)]
        full = max(number for number, size in enumerate(sizes, start=1) if size * 2 >= max(sizes))
        (begin, before), (end, after) = self.points[1], self.points[full]
        return (after - before) / (end - begin)


class TimedMonitor(Monitor):
    """Notes what each commit counted, and how long it took."""

    def __init__(self, status_file: Path) -> None:
        super().__init__(SystemClock(), status_file)
        self.timeline = Timeline()

    def committed(self, result: Committed, folded: FoldedBatch, seconds: float) -> None:
        """A batch is in the warehouse."""
        super().committed(result, folded, seconds)
        if result.counted:
            self.timeline.add(result.counted)


def count_task(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The least that a job can do with its records: take them apart, decode them, count the good ones."""
    good = 0
    for batch in batches:
        for blob in batch["data"]:
            if blob.is_valid:
                good += sum(isinstance(verdict, Event) for verdict in map(decode, payloads_of(blob.as_py())))
    yield pa.record_batch({"good": pa.array([good], pa.int64())})


class Bench:
    """One session, one double, one warehouse."""

    def __init__(self, spark: SparkSession, folder: Path, url: str) -> None:
        self.spark = spark
        self.folder = folder
        self.url = url
        self.connection = StreamConnection.open("events", SystemClock())
        self.stream = self.connection.describe()

    def settings(self, name: str) -> StreamJobSettings:
        """The job's defaults, in folders of this run's own."""
        settings = StreamJobSettings(warehouse_url=self.url, state=str(self.folder / name), trigger_ms=100)
        settings.cache_folder.mkdir(parents=True)
        return settings

    def run(self, name: str, each: Callable[[DataFrame, int], None], start: str) -> StreamingQuery:
        """A query that calls `each` for its batches."""
        settings = self.settings(name)
        parallelism = self.spark.sparkContext.defaultParallelism
        options = source_options(settings, self.connection, created=0, start=start, partitions=parallelism)
        reader = self.spark.readStream.format(NAME).options(**options).load()
        checkpoint = settings.checkpoint_location
        writer = reader.writeStream.option("checkpointLocation", checkpoint).foreachBatch(each)
        return writer.trigger(processingTime="100 milliseconds").start()

    def counting(self, name: str) -> float:
        """Records a second of reading, decoding and counting."""
        timeline = Timeline()

        def each(frame: DataFrame, _batch: int) -> None:
            counted = frame.mapInArrow(count_task, "good long").toArrow()
            if good := sum(counted["good"].to_pylist()):
                timeline.add(good)

        query = self.run(name, each, "TRIM_HORIZON")
        _wait(lambda: timeline.done >= RECORDS, query)
        query.stop()
        return timeline.rate()

    def job(self, name: str) -> tuple[float, list[float]]:
        """Records a second of the job, and the seconds that 1,000 records took from sending to commit."""
        monitor = TimedMonitor(self.folder / "status")
        warehouse = connect(self.url, SystemClock())
        warehouse.prepare(list(OUTPUTS.values()))
        identity = stream_identity(self.stream.name, self.stream.created)
        committer = BatchCommitter(
            warehouse,
            stream=identity,
            epoch=warehouse.take_epoch(identity),
            clock=SystemClock(),
            shutdown=Shutdown(),
            monitor=monitor,
        )
        start = starting_position(self.stream, warehouse.progress(identity))
        query = self.run(name, committer, start)
        committer.query_is(query.id)
        _wait(lambda: monitor.timeline.done >= RECORDS, query)
        rate = monitor.timeline.rate()
        small = [self._small_batch(monitor, query, number) for number in range(SMALL_ROUNDS)]
        query.stop()
        warehouse.close()
        return rate, small

    def _small_batch(self, monitor: TimedMonitor, query: StreamingQuery, number: int) -> float:
        done = monitor.timeline.done
        data = list(aggregates(RECORDS + 1 + number * SMALL_BATCH, SMALL_BATCH))
        entries = [PutEntry(blob, f"{number} {at}") for at, blob in enumerate(data)]
        begin = time.perf_counter()
        self.connection.client.put_records("events", entries)
        _wait(lambda: monitor.timeline.done >= done + SMALL_BATCH, query)
        return monitor.timeline.points[-1][0] - begin


def _wait(happened: Callable[[], bool], query: StreamingQuery) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        if not query.isActive or time.monotonic() > deadline:
            raise RuntimeError(f"the bench's query stands still: {query.exception()}")
        time.sleep(0.005)


def measure() -> dict[str, Any]:
    """All figures, from one session."""
    context = multiprocessing.get_context("spawn")
    ready, there = context.Pipe()
    server = context.Process(target=serve, args=(RECORDS, there), daemon=True)
    server.start()
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}  # noqa: TID251  entry point
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"  # noqa: TID251  entry point
    with tempfile.TemporaryDirectory() as folder:
        place, clock = Path(folder), SystemClock()
        state = State(place / ".headrace")
        url = postgres.url(state, postgres.start(state, os.environ, clock, preferred=0))  # noqa: TID251  entry
        spark = spark_session(master="local[2]", memory="2g", state=place)
        try:
            spark.dataSource.register(KinesisDataSource)
            os.environ["AWS_ENDPOINT_URL"], size = ready.recv()  # noqa: TID251  entry point
            bench = Bench(spark, place, url)
            counting = [bench.counting("count-1")]
            rate, small = bench.job("job")
            counting.append(bench.counting("count-2"))
        finally:
            spark.stop()
            postgres.stop(state, clock)
            ready.send("done")
            server.join()
    alone = statistics.mean(counting)
    goals = {"ratio": 0.7, "job_records_per_second": 150_000, "small_batch_seconds_median": 1.5}
    return {
        "records": RECORDS,
        "bytes_per_record": round(size / RECORDS),
        "job_records_per_second": round(rate),
        "decode_and_count_records_per_second": round(alone),
        "ratio": round(rate / alone, 2),
        "small_batch_records": SMALL_BATCH,
        "small_batch_seconds_median": round(statistics.median(small), 2),
        "small_batch_seconds_max": round(max(small), 2),
        "goals": goals,
    }


def main() -> int:
    """Print the figures; 1 when a goal is missed (the rate is judged on an idle machine only: by eye)."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = parser.parse_args().json
    logs.configure(process="bench", level="warning")
    figures = measure()
    goals = figures["goals"]
    if as_json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        for name in (name for name in figures if name != "goals"):
            goal = f"   (goal {goals[name]:,})" if name in goals else ""
            sys.stdout.write(f"{name.replace('_', ' '):45} {figures[name]:>12,}{goal}\n")
    is_slow = figures["small_batch_seconds_median"] > goals["small_batch_seconds_median"]
    return int(figures["ratio"] < goals["ratio"] or is_slow)


if __name__ == "__main__":
    sys.exit(main())
