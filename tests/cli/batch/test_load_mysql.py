"""`headrace batch load-mysql` as a person calls it, into the MariaDB that it starts itself."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pymysql
import pytest

from batch_jobs.load_mysql.address import parse
from batch_jobs.manifest import DataFile, Output, partition_of
from batch_jobs.storage import Storage
from cli.batch import load_mysql
from headrace.schemas.loan_tables import LOAN_ORIGINATIONS, LOAN_PERFORMANCE
from headrace.schemas.tables import Table
from headrace.warehouse.staging import arrow_schema
from infra.local import mariadb, processes
from infra.local.state import State
from tests.cli.conftest import Headrace

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mysql")]

_VALUES = {"text": "x", "date": date(2005, 3, 1), "decimal": Decimal("100.50"), "boolean": True}


def write(storage: Storage, table: Table, vintage: str, count: int) -> Output:
    """A partition of loans whose optional fields are all unknown."""
    plain = {
        column.name: None if column.nullable else _VALUES.get(column.type.name, 7) for column in table.columns
    }
    rows = [{**plain, "loan_identifier": f"F05Q1{n:07d}", "vintage": vintage} for n in range(count)]
    year, quarter = partition_of(vintage)
    folder = f"tables/{table.name}/vintage_year={year}/vintage_quarter={quarter}/input=0"
    path = f"{folder}/part-00000.parquet"
    with storage.create(path) as file:
        pq.write_table(
            pa.Table.from_pylist(rows, schema=arrow_schema(table)), file, store_decimal_as_integer=True
        )
    return Output(
        table=table.name,
        vintage=vintage,
        input_name=f"orig_{vintage}.txt",
        input_sha256="0" * 64,
        rows_in=count,
        rows=count,
        rejected={},
        folder=folder,
        files=(DataFile(path, storage.size(path), count),),
        error_files=(),
    )


def test_it_loads_what_the_catalog_names_once_and_down_stops_the_server(
    headrace: Headrace, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(str(state.root / "batch"), {})
    outputs = [
        write(storage, LOAN_ORIGINATIONS, "2005Q1", 3),
        write(storage, LOAN_ORIGINATIONS, "2005", 2),
        write(storage, LOAN_PERFORMANCE, "2005Q1", 4),
    ]
    monkeypatch.setattr(
        load_mysql,
        "partitions",
        lambda _place, _what, _storage, tables, vintages: [
            one
            for one in outputs
            if (not tables or one.table in tables) and (not vintages or one.vintage in vintages)
        ],
    )
    first = headrace("batch", "load-mysql", "--table", "loan_originations", "--vintage", "2005Q1")
    assert first.code == 0
    assert "MariaDB: 127.0.0.1:" in first.err
    assert [row.split() for row in first.out.splitlines() if "loan_" in row] == [
        ["loan_originations", "2005Q1", "3", "no"]
    ]
    second = headrace("batch", "load-mysql", "--json", "--connections", "3")
    told = [
        (one["table"], one["vintage"], one["rows"], one["already"])
        for one in json.loads(second.out)["partitions"]
    ]
    assert told == [
        ("loan_originations", "2005Q1", 3, True),
        ("loan_originations", "2005", 2, False),
        ("loan_performance", "2005Q1", 4, False),
    ]
    assert rows_of(
        state, "SELECT vintage, COUNT(*), SUM(original_upb) FROM loan_originations GROUP BY 1"
    ) == {
        ("2005", 2, Decimal("201.00")),
        ("2005Q1", 3, Decimal("301.50")),
    }
    assert headrace("down").code == 0
    assert processes.find(state, mariadb.NAME) is None


def rows_of(state: State, statement: str) -> set[tuple[Any, ...]]:
    background = processes.find(state, mariadb.NAME)
    assert background is not None
    with pymysql.connect(**parse(mariadb.url(state, background)).arguments()) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return set(cursor.fetchall())


def test_a_wrong_url_is_refused_without_its_password(headrace: Headrace) -> None:
    answer = headrace("batch", "load-mysql", HEADRACE_MYSQL_URL="mysql://u:secret@host")
    assert answer.code != 0
    assert "HEADRACE_MYSQL_URL" in answer.err
    assert "secret" not in answer.err
