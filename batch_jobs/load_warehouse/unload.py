"""The way back: a warehouse table to Parquet files of the same schema, with a manifest that counts them."""

from collections.abc import Iterator
from itertools import chain

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from batch_jobs.load_warehouse import copy_manifest
from batch_jobs.load_warehouse.copy_manifest import Entry, Meta
from batch_jobs.load_warehouse.staging import Advance, quiet
from batch_jobs.manifest import is_vintage
from batch_jobs.storage import Storage
from headrace.errors import LoadMismatch, StorageUnusable
from headrace.schemas.tables import Table
from headrace.warehouse import partition_sql
from headrace.warehouse.engines.postgresql import PostgresqlSession, Unloading
from headrace.warehouse.staging import arrow_schema

MANIFEST = "manifest"
ROWS_PER_FILE = 2_000_000
_BYTES_AT_ONCE = 16 * 1024 * 1024


class Unloaded(msgspec.Struct, frozen=True):
    """What was written."""

    table: str
    vintage: str | None
    files: int
    rows: int
    bytes: int


def unload(
    session: PostgresqlSession,
    storage: Storage,
    table: Table,
    vintage: str | None = None,
    *,
    rows_per_file: int = ROWS_PER_FILE,
    advance: Advance = quiet,
) -> Unloaded:
    """Write the rows of a vintage, or of all, as they are at one moment, below the storage's root.

    The manifest comes last: without it the folder is not whole. Nothing is overwritten.

    Raises:
        StorageUnusable: the folder is not empty, or cannot be written.
        LoadMismatch: fewer or more rows were written than the warehouse gave.
        WarehouseUnavailable: the warehouse gave no answer.
        ValueError: the vintage is none.
    """
    if storage.list(""):
        raise StorageUnusable(f"{storage.root} is not empty: name a new folder")
    if vintage is not None and not is_vintage(vintage):
        raise ValueError(f"{vintage!r} is no vintage")
    with session.cursor() as cursor:
        with cursor.unload(partition_sql.rows_of(table, vintage), table) as copy:
            entries = list(_write_files(storage, table, _parts(table, copy), rows_per_file, advance))
        given = cursor.row_count
    rows = sum(entry.meta.record_count or 0 for entry in entries)
    if rows != given:
        raise LoadMismatch(f"{storage.root}: {rows:,} rows were written, the warehouse gave {given:,}")
    storage.write(MANIFEST, copy_manifest.encode(entries))
    size = sum(entry.meta.content_length for entry in entries)
    return Unloaded(table.name, vintage, len(entries), rows, size)


def _parts(table: Table, copy: Unloading) -> Iterator[pa.Table]:
    """The rows, some megabytes of text at a time; every message of COPY is one whole row."""
    schema = arrow_schema(table)
    reading = pyarrow.csv.ReadOptions(column_names=schema.names)
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    converting = pyarrow.csv.ConvertOptions(
        column_types=schema,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    for text in _texts(copy):
        read = pyarrow.csv.read_csv(pa.BufferReader(text), reading, parsing, converting)
        yield pa.Table.from_arrays(read.columns, schema=schema)


def _texts(copy: Unloading) -> Iterator[bytes]:
    lines: list[bytes | bytearray | memoryview] = []
    size = 0
    for line in copy:
        lines.append(line)
        size += len(line)
        if size >= _BYTES_AT_ONCE:
            yield b"".join(lines)
            lines.clear()
            size = 0
    if lines:
        yield b"".join(lines)


def _write_files(
    storage: Storage, table: Table, parts: Iterator[pa.Table], rows_per_file: int, advance: Advance
) -> Iterator[Entry]:
    for number, first in enumerate(parts):
        path, rows = f"part-{number:05d}.parquet", 0
        with storage.create(path) as file, _writer(file, table) as writer:
            for part in chain([first], parts):
                writer.write_table(part)
                rows += part.num_rows
                advance(part.num_rows)
                if rows >= rows_per_file:
                    break
        yield Entry(storage.uri(path), Meta(storage.size(path), rows))


def _writer(file: object, table: Table) -> pq.ParquetWriter:
    return pq.ParquetWriter(file, arrow_schema(table), store_decimal_as_integer=True)
