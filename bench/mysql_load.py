"""Rows per second of a vintage of monthly performance from typed Parquet into MySQL, every byte checked.

Compared with the driver's `executemany`, an INSERT of 1,000 rows at a time, and with sending the statements
that it makes, made before: both on one connection, into a table with the same primary key, and nothing is
checked. The server is the local MariaDB in a temporary folder, with its safe settings.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pymysql.cursors import Cursor

from batch_jobs.load_mysql.address import Address, parse
from batch_jobs.load_mysql.loader import Loader
from batch_jobs.load_mysql.session import Session
from batch_jobs.load_warehouse import data_files
from batch_jobs.manifest import Output
from batch_jobs.storage import Storage
from bench.warehouse_load import write_partition
from headrace.ops.clock import SystemClock
from headrace.schemas.loan_tables import LOAN_KEYS, LOAN_PERFORMANCE
from headrace.schemas.targets.mysql import create_table
from infra.local import mariadb
from infra.local.state import State

ROWS, INSERTED, PER_STATEMENT = 300_000, 50_000, 1_000
ROUNDS = 3
Values = tuple[Any, ...]
_TABLE = replace(LOAN_PERFORMANCE, name="plain_performance")
_VALUES = " VALUES "
_INSERT = f"INSERT INTO {_TABLE.name}{_VALUES}({', '.join(['%s'] * len(_TABLE.columns))})"
KEY = LOAN_KEYS[LOAN_PERFORMANCE.name]
GOALS = {"rows_per_second_on_one_connection": 60_000, "times_executemany": 4.0}


def measure(rows: int, folder: Path) -> dict[str, Any]:
    """The figures; each the median of a few rounds, turn by turn."""
    state, clock = State(folder / ".headrace"), SystemClock()
    storage = Storage(str(folder / "batch"), {})
    output = write_partition(storage, rows)
    place = parse(mariadb.url(state, mariadb.start(state, os.environ, clock, preferred=0)))  # noqa: TID251  an entry point
    rows_to_insert = list(_values(storage, output))
    ways: dict[str, Callable[[], float]] = {
        "one_connection": lambda: _load(place, storage, output, 1),
        "two_connections": lambda: _load(place, storage, output, 2),
        "executemany": lambda: _insert(place, rows_to_insert),
        "statements_made_before": lambda: _send(place, rows_to_insert),
    }
    try:
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                taken[name].append(way())
    finally:
        mariadb.stop(state, clock)
    rates = {name: round(statistics.median(seconds)) for name, seconds in taken.items()}
    return {
        "columns": len(LOAN_PERFORMANCE.columns),
        "rows": rows,
        "rows_per_second": rates,
        "times_executemany": round(rates["one_connection"] / rates["executemany"], 1),
        "load_average": os.getloadavg()[0],
        "goals": GOALS,
    }


def _load(place: Address, storage: Storage, output: Output, connections: int) -> float:
    """Rows a second of the whole load, from the files to the swapped partition and its ledger."""
    with closing(Loader(place, storage, SystemClock(), connections=connections)) as loader:
        started = time.perf_counter()
        loader.load(LOAN_PERFORMANCE, KEY, output, again=True)
        return output.rows / (time.perf_counter() - started)


def _insert(place: Address, rows: list[Values]) -> float:
    """Rows a second of `executemany`."""
    with _plain(place) as cursor:
        started = time.perf_counter()
        for start in range(0, len(rows), PER_STATEMENT):
            cursor.executemany(_INSERT, rows[start : start + PER_STATEMENT])
        cursor.execute("COMMIT")
        return len(rows) / (time.perf_counter() - started)


def _send(place: Address, rows: list[Values]) -> float:
    """Rows a second of statements that are there already."""
    with _plain(place) as cursor:
        head, _, form = _INSERT.partition(_VALUES)
        made = [cursor.mogrify(form, row) for row in rows]
        batches = (made[start : start + PER_STATEMENT] for start in range(0, len(made), PER_STATEMENT))
        statements = [head + _VALUES + ", ".join(batch) for batch in batches]
        started = time.perf_counter()
        for statement in statements:
            cursor.execute(statement)
        cursor.execute("COMMIT")
        return len(rows) / (time.perf_counter() - started)


@contextmanager
def _plain(place: Address) -> Iterator[Cursor]:
    """A transaction, with an empty table."""
    with closing(Session(place)) as session, session.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {_TABLE.name}")
        cursor.execute(create_table(_TABLE, key=KEY))
        cursor.execute("START TRANSACTION")
        yield cursor


def _values(storage: Storage, output: Output) -> Iterator[Values]:
    parts = data_files.parts(storage, LOAN_PERFORMANCE, output.files[0].path)
    rows = pa.concat_tables(parts).slice(0, INSERTED)
    return zip(*(column.to_pylist() for column in rows.columns), strict=True)


def main() -> int:
    """Measure and print; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(chosen.rows, Path(folder))
    rates = figures["rows_per_second"]
    if chosen.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        sys.stdout.write(f"{figures['columns']} columns, {figures['rows']:,} rows, checked, into MariaDB\n")
        for name, rate in rates.items():
            sys.stdout.write(f"  {name.replace('_', ' '):<23} {rate:>9,} rows/s\n")
        sys.stdout.write(f"  {figures['times_executemany']} x executemany, on one connection\n")
    good = rates["one_connection"] >= GOALS["rows_per_second_on_one_connection"]
    return int(not (good and figures["times_executemany"] >= GOALS["times_executemany"]))


if __name__ == "__main__":
    sys.exit(main())
