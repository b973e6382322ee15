"""A partition's Parquet files: proven to fit their table before a load, then read in bounded memory."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from batch_jobs.manifest import DataFile, Output
from batch_jobs.storage import Storage
from headrace.errors import LoadMismatch, StorageUnusable
from headrace.schemas.tables import Table
from headrace.warehouse.staging import arrow_schema

ROWS_AT_ONCE = 20_000

_PHYSICAL = {
    "text": {"BYTE_ARRAY"},
    "boolean": {"BOOLEAN"},
    "smallint": {"INT32"},
    "int": {"INT32"},
    "date": {"INT32"},
    "bigint": {"INT64"},
    "timestamp": {"INT64"},
    "double": {"DOUBLE"},
    "decimal": {"INT32", "INT64"},
    "bytes": {"BYTE_ARRAY"},
}


def check(storage: Storage, table: Table, output: Output) -> None:
    """Raise `LoadMismatch` unless every file is as the manifest and the table say.

    COPY of Parquet goes by position: a file whose columns stand in another order would be loaded without a
    word wherever the types agree. Only the files' footers are read.
    """
    counted = sum(file.rows for file in output.files)
    rejected = sum(output.rejected.values())
    if counted != output.rows or output.rows_in != output.rows + rejected:
        raise LoadMismatch(
            f"{storage.place(output.folder)}: its manifest does not add up: {output.rows_in:,} lines, "
            f"{output.rows:,} rows, {counted:,} of them in files, {rejected:,} rejected"
        )
    for file in output.files:
        _check_file(storage, table, file)


def _check_file(storage: Storage, table: Table, file: DataFile) -> None:
    place = storage.place(file.path)
    if (size := storage.size(file.path)) != file.bytes:
        raise LoadMismatch(f"{place} has {size:,} bytes, the manifest says {file.bytes:,}")
    with storage.open(file.path) as opened, _parquet(opened, place) as parquet:
        if parquet.metadata.num_rows != file.rows:
            raise LoadMismatch(
                f"{place} has {parquet.metadata.num_rows:,} rows, the manifest says {file.rows:,}"
            )
        _check_columns(table, parquet, place)


def _check_columns(table: Table, parquet: pq.ParquetFile, place: str) -> None:
    found, expected = parquet.schema_arrow, arrow_schema(table)
    if found.names != expected.names:
        raise LoadMismatch(f"{place} has the columns {found.names}, table {table.name} {expected.names}")
    for at, column in enumerate(table.columns):
        physical = parquet.schema.column(at).physical_type
        if found.field(at).type != expected.field(at).type or physical not in _PHYSICAL[column.type.name]:
            raise LoadMismatch(
                f"{place}: column {column.name} is {found.field(at).type} ({physical}), "
                f"table {table.name} has {expected.field(at).type}"
            )


def parts(storage: Storage, table: Table, path: str) -> Iterator[pa.Table]:
    """The rows of one file, some at a time, each part with the table's columns in its order.

    Raises LoadMismatch for a text with more bytes than Redshift's column takes, and StorageUnusable.
    """
    schema, place = arrow_schema(table), storage.place(path)
    with storage.open(path) as opened, _parquet(opened, place) as parquet:
        batches = parquet.iter_batches(batch_size=ROWS_AT_ONCE)
        while True:
            try:
                batch = next(batches, None)
            except (OSError, pa.ArrowException) as error:
                raise StorageUnusable(f"{place}: {error}") from error
            if batch is None:
                return
            rows = pa.Table.from_arrays(batch.columns, schema=schema)
            _check_texts(table, rows, place)
            yield rows


def _check_texts(table: Table, rows: pa.Table, place: str) -> None:
    for at, column in enumerate(table.columns):
        limit = column.type.max_bytes
        longest = pc.max(pc.binary_length(rows.column(at))).as_py() if limit else None
        if limit and longest and longest > limit:
            raise LoadMismatch(
                f"{place}: column {column.name} holds {longest} bytes, its table takes {limit}"
            )


def _parquet(opened: object, place: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(opened)
    except (OSError, pa.ArrowException) as error:
        raise StorageUnusable(f"{place}: {error}") from error
