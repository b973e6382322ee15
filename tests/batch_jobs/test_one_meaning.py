"""A loan that came in a file, and the same loan as a record of a producer, are one row."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from batch_jobs.conversion.pieces import Job, convert, pieces
from batch_jobs.conversion.reading import TABLES, record_type
from batch_jobs.manifest import Kind
from batch_jobs.storage import Storage
from headrace.schemas.codec import Event, Rejection, decode, seal
from headrace.schemas.delimited import LineReader
from headrace.schemas.loan_layouts import LAYOUTS
from headrace.schemas.registry import RECORD_TYPES
from headrace.schemas.targets.glue import record_table
from lambdas.transform.lines import line
from tests.batch_jobs.conversion.loan_inputs import LINES, taken

TIME = datetime(2007, 9, 1, tzinfo=UTC)


def rows(query: str) -> list[Any]:
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def from_the_file(folder: Path, kind: Kind, layout: str) -> list[Any]:
    """The row as DuckDB reads it from the table's Parquet."""
    entry = taken(LINES[kind, layout].encode() + b"\n", kind, layout, path=folder / "loans.txt")
    storage = Storage(str(folder), {})
    job = Job(entry=entry, storage=storage, folder="tables/t", errors="errors/t")
    (done,) = [convert(job, piece) for piece in pieces(entry)]
    assert done.rows is not None
    fields = ", ".join(f.name for f in RECORD_TYPES[record_type(entry)].fields)
    return rows(f"select {fields} from '{storage.place(done.rows.path)}'")


def as_an_event(kind: Kind, layout: str) -> Event:
    """The record of the line, sealed by a producer and decoded by a reader."""
    record = LineReader(LAYOUTS[kind, layout], losses_negative=False).read(
        LINES[kind, layout].encode(), source="s", number=1
    )
    assert not isinstance(record, Rejection)
    sealed = seal("loans-1", 1, TIME, record)
    assert isinstance(sealed, bytes)
    event = decode(sealed)
    assert isinstance(event, Event)
    return event


@pytest.mark.parametrize(("kind", "layout"), sorted(LINES))
def test_the_archives_line_of_a_loan_is_the_tables_row(tmp_path: Path, kind: Kind, layout: str) -> None:
    event = as_an_event(kind, layout)
    archive = tmp_path / "archive.ndjson"
    archive.write_bytes(line(event, 1_795_262_399_123))
    fields = [field.name for field in RECORD_TYPES[event.type].fields]
    catalog = record_table(RECORD_TYPES[event.type], "b")["StorageDescriptor"]["Columns"]
    types = {column["Name"]: column["Type"] for column in catalog}
    assert list(types)[: len(fields)] == fields == [c.name for c in TABLES[kind].columns][: len(fields)]
    listed = ", ".join(fields)
    read = rows(f"select {listed} from read_json('{archive}', columns = {json.dumps(types)})")
    assert read == from_the_file(tmp_path, kind, layout)
