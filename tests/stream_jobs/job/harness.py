"""The stream job inside the test's process, on the test's Spark session, and what to feed it."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
from pyspark.sql import SparkSession

from headrace.errors import HaltError
from headrace.kinesis.aggregation import UserRecord, aggregate
from headrace.ops.clock import SystemClock
from headrace.ops.shutdown import Shutdown
from headrace.schemas.codec import encode
from headrace.schemas.records.web_access import WebAccess
from headrace.schemas.registry import OUTPUTS
from headrace.schemas.streams import stream_identity
from headrace.warehouse.probe import Probe, no_probe
from headrace.warehouse.warehouse import connect
from stream_jobs.commit import BatchCommitter
from stream_jobs.monitor import Monitor
from stream_jobs.query import StreamQuery, starting_position
from stream_jobs.settings import StreamJobSettings
from stream_jobs.source.connection import StreamConnection
from tests.doubles.kinesis import KinesisDouble

PATIENCE = 120  # seconds: two Sparks may start at once on two cores
_NUMBERS = "select sum(last_number - first_number + 1) from ledger_ranges"
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Job:
    """One run of the job: what `main` puts together, on a session that is there already."""

    def __init__(
        self, spark: SparkSession, settings: StreamJobSettings, *, probe: Probe = no_probe, **changes: object
    ) -> None:
        self.settings = msgspec.structs.replace(settings, **changes)
        self.settings.cache_folder.mkdir(parents=True, exist_ok=True)
        clock = SystemClock()
        self.shutdown = Shutdown()
        self.monitor = Monitor(clock, self.settings.status_file)
        connection = StreamConnection.open(self.settings.stream, clock)
        stream = connection.describe()
        self.warehouse = connect(
            self.settings.warehouse_url, clock, breaker_share=self.settings.breaker_share, probe=probe
        )
        self.warehouse.prepare(list(OUTPUTS.values()))
        identity = stream_identity(stream.name, stream.created)
        self.committer = BatchCommitter(
            self.warehouse,
            stream=identity,
            epoch=self.warehouse.take_epoch(identity),
            clock=clock,
            shutdown=self.shutdown,
            monitor=self.monitor,
        )
        self.query = StreamQuery.start(
            spark,
            self.settings,
            connection,
            self.committer,
            clock,
            stream=stream,
            start=starting_position(stream, self.warehouse.progress(identity)),
        )
        self.monitor.phase("running")

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait for it; fails when the query ends or nothing comes."""
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert self.query.is_active, f"the query ended: {self.ended()!r}"
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.1)  # looking takes a connection

    def ended(self) -> HaltError | BaseException:
        """Wait for the query's end; what ended it."""
        deadline = time.monotonic() + PATIENCE
        while self.query.is_active:
            assert time.monotonic() < deadline, "the query goes on"
            time.sleep(0.05)
        return self.query.failure()

    def stop(self) -> None:
        self.shutdown.request("the test is over")
        self.query.drain(10)
        self.warehouse.close()


def counted(url: str) -> int:
    """The numbers that the ledger has as counted."""
    return _number(url, f"{_NUMBERS} where fate = 'counted'")


def settled(url: str) -> int:
    """The numbers that have a fate."""
    return _number(url, _NUMBERS)


def _number(url: str, sql: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(sql).fetchone()
    return int(row[0] or 0) if row else 0


def access(number: int, source: str = "web-1/A", at: datetime | None = None, **fields: Any) -> bytes:
    values: dict[str, Any] = {
        "client_address": f"203.0.113.{number % 7}",
        "method": "GET",
        "path": f"/{number % 5}",
        "status": 200,
        "bytes": number,
        "user_agent": "curl/8",
    }
    return encode(source, number, at or NOON + timedelta(seconds=number), WebAccess(**values | fields))


def send(kinesis: KinesisDouble, raws: Sequence[bytes], *, per_aggregate: int = 20) -> None:
    """Aggregate runs of records, and spread the aggregates over the shards."""
    for begin in range(0, len(raws), per_aggregate):
        run = raws[begin : begin + per_aggregate]
        data = run[0] if len(run) == 1 else aggregate([UserRecord("a", None, raw) for raw in run])
        kinesis.put("events", data, key=f"{begin} {len(raws)}")


def snapshot(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every number of the windows and the ledger, without the times of writing."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        for table in _tables():
            cursor = connection.execute(f"select * from {table}")
            names = [column.name for column in cursor.description or ()]
            keep = [n for n, name in enumerate(names) if name not in _TIMES]
            found[table] = sorted((tuple(row[n] for n in keep) for row in cursor.fetchall()), key=repr)
    return found


_TIMES = {"updated_at", "late_records", "first_seen", "last_seen", "born_at"}


def _tables() -> Iterable[str]:
    for output in OUTPUTS.values():
        yield output.name
        if (parts := output.parts_table()) is not None:
            yield parts.name
    yield from ("ledger_ranges", "ledger_types", "rejects")
