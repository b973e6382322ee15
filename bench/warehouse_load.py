"""Rows per second of a vintage of monthly performance from typed Parquet into PostgreSQL, and back.

Compared with `psycopg` copying the very same text, made before, into a table without indexes: what the
engine itself takes. The database is the embedded one, in a temporary folder, with its safe settings.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from batch_jobs.load_warehouse import staging, unload
from batch_jobs.load_warehouse.loader import Loader
from batch_jobs.manifest import DataFile, Output
from batch_jobs.storage import Storage
from headrace.ops.clock import SystemClock
from headrace.schemas.loan_tables import LOAN_PERFORMANCE
from headrace.schemas.tables import Column
from headrace.warehouse.copy_text import copy_text
from headrace.warehouse.engines.postgresql import PostgresqlSession
from headrace.warehouse.staging import arrow_schema
from headrace.warehouse.warehouse import connect
from infra.local import postgres
from infra.local.state import State

ROWS, FILES, MONTHS = 500_000, 4, 60
ROUNDS = 3
VINTAGE = "2005Q1"
_FILLED = {
    "current_actual_upb",
    "delinquency_months",
    "loan_age",
    "remaining_months_to_legal_maturity",
    "current_interest_rate",
    "current_non_interest_bearing_upb",
    "current_interest_bearing_upb",
    "servicer_name",
    "mi_cancellation_indicator",
}
"""What a month of a loan that is alive really holds; the rest is for its end."""


def write_partition(storage: Storage, rows: int, vintage: str = VINTAGE) -> Output:
    """A partition as the conversion writes it."""
    folder = f"tables/loan_performance/{vintage}"
    files = []
    for number in range(FILES):
        path, first, count = f"{folder}/part-{number:05d}.parquet", number * rows // FILES, rows // FILES
        part = performance(np.arange(first, first + count), vintage)
        with storage.create(path) as file:
            pq.write_table(part, file, store_decimal_as_integer=True)
        files.append(DataFile(path, storage.size(path), count))
    return Output(
        table=LOAN_PERFORMANCE.name,
        vintage=vintage,
        input_name="historical_data_time_2005Q1.txt",
        input_sha256="0" * 64,
        rows_in=rows,
        rows=rows,
        rejected={},
        folder=folder,
        files=tuple(files),
        error_files=(),
    )


def performance(numbers: np.ndarray[Any, Any], vintage: str) -> pa.Table:
    """Rows of loans that pay for five years; the number of a row gives its values."""
    loan, month = numbers // MONTHS, numbers % MONTHS
    values: dict[str, Any] = {
        "layout": "r47",
        "loan_identifier": pa.array([f"F{vintage[2:4]}{vintage[4:]}{n:07d}" for n in loan]),
        "period": pa.array([date(2005 + m // 12, m % 12 + 1, 1) for m in month.tolist()]),
        "real_estate_owned": False,
        "net_sales_proceeds_unknown": False,
        "vintage": vintage,
        "file_line": pa.array(numbers + 1),
    }
    schema = arrow_schema(LOAN_PERFORMANCE)
    columns = [
        _column(column, values.get(column.name), numbers, schema.field(column.name).type)
        for column in LOAN_PERFORMANCE.columns
    ]
    return pa.table(columns, schema=schema)


def _column(column: Column, value: Any, numbers: np.ndarray[Any, Any], type_: pa.DataType) -> pa.Array:  # noqa: ANN401
    count = len(numbers)
    if isinstance(value, pa.Array):
        return value.cast(type_)
    if value is not None:
        return pa.repeat(pa.scalar(value, type_), count)
    if column.name not in _FILLED:
        return pa.nulls(count, type_)
    if column.type.name == "decimal":
        return pa.array(numbers % 40_000_000 / 100).cast(pa.decimal128(18, 2), safe=False).cast(type_)
    if column.type.name == "smallint":
        return pa.array(numbers % 360).cast(type_)
    width = min(column.type.max_bytes or 1, 20)
    return pa.repeat(pa.scalar("N" * width, type_), count)


def measure(state: Path) -> dict[str, Any]:
    """The load into a new table and over itself, the bare COPY, and the unload."""
    place, clock = State(state), SystemClock()
    database = postgres.start(place, os.environ, clock, preferred=0)  # noqa: TID251  an entry point
    url = postgres.url(place, database)
    storage = Storage(str(state / "batch"), {})
    output = write_partition(storage, ROWS)
    texts = _texts(storage, output)
    seconds: dict[str, list[float]] = {"load": [], "load_in_its_place": [], "unload": [], "bare_copy": []}
    session = PostgresqlSession(url)
    try:
        warehouse = connect(url, clock)
        warehouse.prepare([])
        warehouse.close()
        loader = Loader(session, storage, clock, staging.streamed(storage))
        for number in range(ROUNDS):
            _execute(url, "TRUNCATE loan_performance, batch_loads")
            _execute(url, "CHECKPOINT")
            seconds["load"].append(_timed(lambda: loader.load(output)))
            seconds["load_in_its_place"].append(_timed(lambda: loader.load(output, again=True)))
            out = Storage(str(state / f"out-{number}"), {})
            seconds["unload"].append(_timed(lambda: unload.unload(session, out, LOAN_PERFORMANCE)))  # noqa: B023
            seconds["bare_copy"].append(_timed(lambda: _bare_copy(url, texts)))
    finally:
        session.close()
        postgres.stop(place, clock)
    return _figures(seconds, output, sum(map(len, texts)))


def _figures(seconds: dict[str, list[float]], output: Output, text_bytes: int) -> dict[str, Any]:
    median = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "rows": ROWS,
        "parquet_megabytes": round(sum(file.bytes for file in output.files) / 1e6, 1),
        "text_megabytes": round(text_bytes / 1e6, 1),
        "rows_per_second": {name: round(ROWS / value) for name, value in median.items()},
        "load_to_bare_copy": round(median["bare_copy"] / median["load"], 2),
    }


def _texts(storage: Storage, output: Output) -> list[bytes]:
    return [
        bytes(payload)
        for file in output.files
        for payload in copy_text(
            pq.read_table(storage.open(file.path), schema=arrow_schema(LOAN_PERFORMANCE))
        )
    ]


def _bare_copy(url: str, texts: list[bytes]) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bare (LIKE loan_performance)")
        with cursor.copy("COPY bare FROM STDIN") as copy:
            for text in texts:
                copy.write(text)
    _execute(url, "DROP TABLE bare")


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder) / ".headrace")
    if arguments.json:
        sys.stdout.write(f"{json.dumps(figures)}\n")
        return
    for name, value in figures.items():
        sys.stdout.write(f"{name}: {value}\n")


if __name__ == "__main__":
    main()
