"""The general way to unique keys in order, for files that are not in it: Spark sorts the typed rows.

All good rows were written to a scratch folder. Spark cuts them by ranges of keys and sorts each by key and
line; then lines that repeat a key are neighbours, and what follows is as for a file in order. A second look
at the text fetches the lines that were found to repeat a key.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark import TaskContext
from pyspark.sql import SparkSession

from batch_jobs.conversion.blocks import line_count
from batch_jobs.conversion.files import ParquetFile, RejectsFile, rows_file
from batch_jobs.conversion.keys import KeyOrder, Repeated
from batch_jobs.conversion.pieces import Job, Piece, duplicates, read_blocks, taken_at
from batch_jobs.conversion.reading import TABLES
from batch_jobs.manifest import DataFile
from headrace.schemas.loan_tables import LOAN_KEYS
from headrace.warehouse.staging import arrow_schema

ROWS, REPEATED = "rows", "repeated"  # folders below the scratch folder

_REPEATED = pa.schema([(name, pa.int64()) for name in Repeated._fields])
_TOLD = "entry binary"


class SortedPart(msgspec.Struct, frozen=True):
    """One range of keys: its rows, and where the lines are listed that repeat a key."""

    rows: DataFile | None
    repeated: DataFile | None


def sort(session: SparkSession, job: Job, scratch: str, count: int) -> list[SortedPart]:
    """Write the rows below `scratch` to the job's folder: sorted, each key once. Raises StorageUnusable."""
    keys = LOAN_KEYS[TABLES[job.entry.kind].name]
    found = (
        session.read.parquet(job.storage.uri(f"{scratch}/{ROWS}"))
        .repartitionByRange(count, *keys)
        .sortWithinPartitions(*keys, "file_line")
        .mapInArrow(partial(_write, job, scratch), _TOLD)
        .collect()
    )
    return [msgspec.msgpack.decode(row["entry"], type=SortedPart) for row in found]


def _write(job: Job, scratch: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """One range of keys, in a task; Spark is told the files alone."""
    table, context = TABLES[job.entry.kind], TaskContext.get()
    assert context is not None, "it runs on Spark's cores"
    schema, order = arrow_schema(table), KeyOrder(LOAN_KEYS[table.name])
    name = f"part-{context.partitionId():05d}.parquet"
    with (
        rows_file(job.storage, f"{job.folder}/{name}", table) as rows,
        ParquetFile(job.storage, f"{scratch}/{REPEATED}/{name}", _REPEATED) as listed,
    ):
        for batch in batches:
            kept = order.follow(pa.Table.from_batches([batch]).cast(schema))
            rows.write(kept.rows)
            listed.write(pa.Table.from_pylist([it._asdict() for it in kept.repeated], _REPEATED))
    told = msgspec.msgpack.encode(SortedPart(rows.entry, listed.entry))
    yield pa.record_batch({"entry": pa.array([told], pa.binary())})


def reject_repeated(job: Job, lists: Sequence[DataFile], count: int, piece: Piece) -> DataFile | None:
    """Write the rejects of those lines of a piece that repeat a key, behind the `count` files there are.

    Raises InputRefused and StorageUnusable.
    """
    first = piece.splits[0].first_line
    repeated = _between(job, lists, first, first + sum(split.rows for split in piece.splits))
    path = f"{job.errors}/part-{count + piece.number:05d}.ndjson.gz"
    with RejectsFile(job.storage, path, taken_at(job.entry)) as rejects:
        if not repeated:
            return None
        at = 0
        for block in read_blocks(job, piece):
            behind = block.first_line + line_count(block.text)
            upto = bisect_left(repeated, (behind,))
            rejects.write(duplicates(job.entry, block, repeated[at:upto]))
            at = upto
    return rejects.entry


def _between(job: Job, lists: Sequence[DataFile], first: int, behind: int) -> list[Repeated]:
    """The listed lines `first` .. `behind`, in order."""
    within = (pc.field("line") >= first) & (pc.field("line") < behind)
    found: list[Repeated] = []
    for file in lists:
        with job.storage.open(file.path) as opened:
            rows = pq.read_table(opened, filters=within, use_threads=False)
        found += map(Repeated._make, zip(*(column.to_pylist() for column in rows.columns), strict=True))
    return sorted(found)
