import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pymysql
import pytest

from batch_jobs.load_mysql import address
from batch_jobs.load_mysql.address import Address
from batch_jobs.manifest import DataFile, Output, partition_of
from batch_jobs.storage import Storage
from headrace.ops.clock import SystemClock
from headrace.schemas.tables import Table
from headrace.warehouse.staging import arrow_schema
from infra.local import mariadb
from infra.local.state import State

_numbers = itertools.count()
Rows = list[dict[str, Any]]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MariaDB as loose as RDS, in a time zone of its own; the URL of its first database."""
    state, clock = State(tmp_path_factory.mktemp("mysql") / ".headrace"), SystemClock()
    options = {"default-time-zone": "+05:00", "innodb-flush-log-at-trx-commit": "0"}
    background = mariadb.start(state, os.environ, clock, preferred=0, options=options)
    yield mariadb.url(state, background)
    mariadb.stop(state, clock)


@pytest.fixture
def url(server: str) -> Iterator[str]:
    """A database of the test's own, latin1 as RDS's are."""
    name = f"test_{next(_numbers)}"
    with pymysql.connect(**address.parse(server).arguments(), autocommit=True) as connection:
        connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET latin1")
        yield f"{server.rpartition('/')[0]}/{name}"
        connection.cursor().execute(f"DROP DATABASE {name}")


@pytest.fixture
def place(url: str) -> Address:
    return address.parse(url)


@pytest.fixture
def sql(place: Address) -> Iterator[Callable[..., Any]]:
    """Runs a statement on the test's database and returns its rows."""
    with pymysql.connect(**place.arguments(), charset="utf8mb4", autocommit=True) as connection:

        def run(statement: str, *values: object) -> Any:
            cursor = connection.cursor()
            cursor.execute(statement, values or None)
            return cursor.fetchall()

        yield run


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "batch"), {})


@pytest.fixture
def partition(storage: Storage) -> Callable[..., Output]:
    """Writes a partition's Parquet files, one per list of rows, as the conversion does."""

    def write(table: Table, vintage: str, *files: Rows, sha256: str = "a" * 64) -> Output:
        year, quarter = partition_of(vintage)
        folder = (
            f"tables/{table.name}/vintage_year={year}/vintage_quarter={quarter}/"
            f"input={sha256[:16]}.{next(_numbers)}"
        )
        written = []
        for number, rows in enumerate(files):
            path = f"{folder}/part-{number:05d}.parquet"
            with storage.create(path) as file:
                pq.write_table(
                    pa.Table.from_pylist(rows, schema=arrow_schema(table)),
                    file,
                    store_decimal_as_integer=True,
                )
            written.append(DataFile(path, storage.size(path), len(rows)))
        count = sum(file.rows for file in written)
        return Output(
            table=table.name,
            vintage=vintage,
            input_name=f"{vintage}.txt",
            input_sha256=sha256,
            rows_in=count,
            rows=count,
            rejected={},
            folder=folder,
            files=tuple(written),
            error_files=(),
        )

    return write
