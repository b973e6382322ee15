"""Partitions as the conversion leaves them, of any size and with any values."""

import gzip
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from batch_jobs.manifest import DataFile, Output
from batch_jobs.storage import Storage
from headrace.schemas.codec import FieldError, RejectCode, Rejection, Stage, reject_event
from headrace.schemas.loan_tables import LOAN_PERFORMANCE
from headrace.schemas.tables import Column, Table
from headrace.warehouse.staging import arrow_schema

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ODD_TEXTS = ("", "\\N", "a\tb", 'say "x"', "\\.", "line\nbreak\r", "ä", ",", "\\")
"""What a line-based format might stumble over; each cut to its column's width."""


def rows(
    table: Table = LOAN_PERFORMANCE, count: int = 50, vintage: str = "2005Q1", seed: int = 0
) -> list[dict[str, Any]]:
    """Rows whose keys differ; nullable columns are often null."""
    chance = random.Random(f"{table.name} {vintage} {seed}")
    made = []
    for number in range(count):
        row = {column.name: _value(column, chance) for column in table.columns}
        row |= {"loan_identifier": f"F{vintage[2:]}{number // 3:05d}", "vintage": vintage}
        if table is LOAN_PERFORMANCE:
            row["period"] = date(2005, 1 + number % 3, 1)
        else:
            row["loan_identifier"] = f"F{vintage[2:]}{number:05d}"
        made.append(row | {"file_line": number + 1})
    return made


def _value(column: Column, chance: random.Random) -> object:  # noqa: PLR0911  a way per type
    if column.nullable and chance.random() < 0.4:
        return None
    match column.type.name:
        case "text":
            limit = column.type.max_bytes or 1
            return chance.choice([*ODD_TEXTS, "x" * limit]).encode()[:limit].decode(errors="ignore")
        case "smallint":
            return chance.choice([-(2**15), 2**15 - 1, 0, 7])
        case "date":
            return date(1999, 1, 1) + timedelta(days=chance.randrange(20_000))
        case "decimal":
            top = 10 ** (column.type.precision or 1) - 1
            whole = chance.choice([0, 1, top, -top, chance.randrange(-top, top)])
            return Decimal(whole).scaleb(-(column.type.scale or 0))
        case "boolean":
            return chance.random() < 0.5
        case "bigint":
            return chance.randrange(2**63)
        case name:
            raise AssertionError(name)


def write(
    storage: Storage,
    contents: Sequence[Mapping[str, Any]],
    *,
    table: Table = LOAN_PERFORMANCE,
    vintage: str = "2005Q1",
    name: str = "time_2005Q1.txt",
    files: int = 2,
    bad_lines: Sequence[bytes] = (),
    schema: pa.Schema | None = None,
    **parquet: Any,
) -> Output:
    """A partition with these rows and rejects, its input's digest that of its contents."""
    digest = sha256(repr((contents, bad_lines, name)).encode()).hexdigest()
    folder = f"tables/{table.name}/{vintage}/input={digest[:16]}"
    data = []
    for number in range(files):
        path = f"{folder}/part-{number:05d}.parquet"
        part = contents[number::files]
        arrow = pa.Table.from_pylist([dict(row) for row in part], schema=schema or arrow_schema(table))
        with storage.create(path) as file:
            pq.write_table(arrow, file, **{"store_decimal_as_integer": True, **parquet})
        data.append(DataFile(path, storage.size(path), len(part)))
    errors = [_errors(storage, f"errors/{table.name}/{vintage}/{digest[:16]}", name, bad_lines)]
    return Output(
        table=table.name,
        vintage=vintage,
        input_name=name,
        input_sha256=digest,
        rows_in=len(contents) + len(bad_lines),
        rows=len(contents),
        rejected={"field_count": len(bad_lines)} if bad_lines else {},
        folder=folder,
        files=tuple(data),
        error_files=tuple(errors) if bad_lines else (),
    )


def _errors(storage: Storage, folder: str, name: str, lines: Iterable[bytes]) -> DataFile:
    source = f"batch/{name}/{sha256(name.encode()).hexdigest()[:16]}"
    events = [
        reject_event(
            Rejection(
                code=RejectCode.FIELD_COUNT,
                errors=(FieldError("field 35", "missing"),),
                raw=line,
                record_type="loan_performance.v1",
            ),
            stage=Stage.BATCH,
            source=source,
            sequence=number,
            time=NOON + timedelta(seconds=number),
        )
        for number, line in enumerate(lines, start=1)
    ]
    path = f"{folder}/part-00000.ndjson.gz"
    storage.write(path, gzip.compress(b"".join(event + b"\n" for event in events)))
    return DataFile(path, storage.size(path), len(events))


def truth(storage: Storage, *outputs: Output) -> list[tuple[Any, ...]]:
    """Every row of the files, as DuckDB reads them."""
    files = [storage.place(file.path) for output in outputs for file in output.files]
    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet(?, hive_partitioning = false)", [files])
        return sorted(found.fetchall(), key=repr)
