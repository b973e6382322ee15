"""Drives a reader as Spark does, without Spark: an offset log, batches, restarts."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
from pyspark.sql.types import StructType

from stream_jobs.source.data_source import KinesisDataSource, KinesisStreamReader
from stream_jobs.source.rows import ARROW_SCHEMA
from tests.doubles.kinesis import KinesisDouble

PATIENCE = 20.0
SHARDS = tuple(f"shardId-{number:012}" for number in range(4))
LOW, HIGH = "0", str(2**128 - 1)  # hash keys of the first and the second shard


class Engine:
    """One query; `restart` is a new process on the same checkpoint.

    With `with_start`, as Spark 4.2 and later; without, as 4.0 and 4.1, in the order of calls seen there.
    """

    def __init__(self, options: Mapping[str, str], *, with_start: bool = False) -> None:
        self.options = dict(options)
        self.with_start = with_start
        self.log: list[dict[str, Any]] = []  # end offsets, as Spark writes them
        self.start: dict[str, Any] = {}
        self.reader = self.fresh_reader()
        self.last: dict[str, Any] | None = None

    def fresh_reader(self) -> KinesisStreamReader:
        reader = KinesisDataSource(self.options).streamReader(StructType())
        assert isinstance(reader, KinesisStreamReader)
        return reader

    def trigger(self) -> pa.Table | None:
        """One trigger: the rows of a new batch, None when there is none."""
        before = self.log[-1] if self.log else self.reader.initialOffset()
        answer = self.reader.latestOffset(before) if self.with_start else self.reader.latestOffset()
        end = json.loads(json.dumps(answer))
        if json.dumps(end) == json.dumps(before):
            return None
        if len(self.log) > 1:
            self.reader.commit(self.log[-2])
        self.log.append(end)
        return self.rows(len(self.log) - 1)

    def rows(self, batch: int, reader: KinesisStreamReader | None = None) -> pa.Table:
        """The rows of a batch in the log, read (again)."""
        reader = reader or self.reader
        start = self.log[batch - 1] if batch else reader.initialOffset()
        tasks = reader.partitions(start, self.log[batch])
        batches = [rows for task in tasks for rows in self.fresh_reader().read(task)]
        return pa.Table.from_batches(batches, ARROW_SCHEMA)

    def restart(self, *, replay: bool = True, **options: str) -> pa.Table | None:
        """A new process: Spark asks for the last batch again if it had not been committed."""
        self.reader.stop()
        self.options |= options
        self.reader = self.fresh_reader()
        if not self.log:
            return None
        if replay:
            self.reader.partitions(self.log[-1], self.log[-1])
            return self.rows(len(self.log) - 1)
        self.reader.partitions(self.log[-1], self.log[-1])
        return None

    def until(self, done: Callable[[list[pa.Table]], bool]) -> pa.Table:
        """Trigger until the batches so far satisfy; their rows."""
        batches: list[pa.Table] = []
        deadline = time.monotonic() + PATIENCE
        while not done(batches):
            assert time.monotonic() < deadline, f"only {sum(map(len, batches))} rows came"
            batch = self.trigger()
            if batch is not None:
                batches.append(batch)
            else:
                time.sleep(0.01)
        return pa.concat_tables(batches) if batches else ARROW_SCHEMA.empty_table()

    def records(self, count: int) -> pa.Table:
        """Trigger until so many records have come; the rows, markers included."""
        return self.until(lambda batches: sum(len(data_rows(batch)) for batch in batches) >= count)


def data_rows(rows: pa.Table) -> list[dict[str, Any]]:
    return [row for row in rows.to_pylist() if row["data"] is not None]


def markers(rows: pa.Table) -> dict[str, dict[str, Any]]:
    found = [row for row in rows.to_pylist() if row["data"] is None]
    return {row["shardId"]: row | json.loads(row["partitionKey"]) for row in found}


def payloads(rows: pa.Table) -> list[bytes]:
    return [row["data"] for row in data_rows(rows)]


Query = Callable[..., Engine]


def put(kinesis: KinesisDouble, *texts: str, hash_key: str | None = None) -> None:
    for text in texts:
        kinesis.put("events", text.encode(), key=text, hash_key=hash_key)


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)
