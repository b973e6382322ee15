from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from batch_jobs.hive import DATABASE, Catalog
from batch_jobs.manifest import DataFile, Input, Output, write_output
from batch_jobs.storage import Storage
from headrace.errors import SchemaMismatch, StorageUnusable
from headrace.schemas.loan_tables import LOAN_TABLES
from headrace.schemas.tables import BIGINT, DATE, SMALLINT, Column, Table, decimal, text
from headrace.schemas.targets import hive
from headrace.warehouse.staging import arrow_schema
from tests.batch_jobs.marks import SPARK
from tests.schemas.tables_strategy import any_table

pytestmark = SPARK

BOOK = Table(
    "book",
    (
        Column("name", text(9), nullable=True, description="who isn't \\ there"),
        Column("number", SMALLINT),
        Column("day", DATE),
        Column("amount", decimal(12, 2)),
    ),
    description="It's a table.",
)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "a 100% odd root"), {})


@pytest.fixture
def catalog(spark: SparkSession, storage: Storage) -> Catalog:
    spark.sql(f"DROP DATABASE IF EXISTS {DATABASE} CASCADE")
    return Catalog(spark, storage)


def written(storage: Storage, vintage: str, name: str, *numbers: int) -> str:
    """A folder of one file whose rows have these numbers, with its manifest."""
    folder = f"tables/book/of {vintage}/input={name}"
    rows = [{"name": None, "number": n, "day": date(2005, 1, 1), "amount": Decimal("1.25")} for n in numbers]
    with storage.create(f"{folder}/part-00000.parquet") as file:
        pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(BOOK)), file)
    data = DataFile(f"{folder}/part-00000.parquet", storage.size(f"{folder}/part-00000.parquet"), len(rows))
    output = Output(
        table="book",
        vintage=vintage,
        input_name=name,
        input_sha256="0" * 64,
        rows_in=len(rows),
        rows=len(rows),
        rejected={},
        folder=folder,
        files=(data,),
        error_files=(),
    )
    write_output(storage, output)
    return folder


def rows(spark: SparkSession, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in spark.sql(sql).collect()]


NUMBERS = f"SELECT vintage_year, vintage_quarter, number FROM {DATABASE}.book ORDER BY 1, 2, 3"


def test_a_partition_shows_the_files_of_the_folder_it_was_given(
    spark: SparkSession, catalog: Catalog, storage: Storage
) -> None:
    catalog.prepare(BOOK)
    catalog.prepare(BOOK)
    assert rows(spark, NUMBERS) == []
    catalog.set_location(BOOK, "2005Q1", written(storage, "2005Q1", "a", 1, 2))
    catalog.set_location(BOOK, "2006", written(storage, "2006", "b", 3))
    assert rows(spark, NUMBERS) == [(2005, 1, 1), (2005, 1, 2), (2006, 0, 3)]
    assert catalog.locations(BOOK) == {
        "2005Q1": "tables/book/of 2005Q1/input=a",
        "2006": "tables/book/of 2006/input=b",
    }


def test_a_quarter_that_comes_again_replaces_its_own_rows_and_no_others(
    spark: SparkSession, catalog: Catalog, storage: Storage
) -> None:
    catalog.prepare(BOOK)
    for vintage in ("2005Q1", "2005Q2"):
        catalog.set_location(BOOK, vintage, written(storage, vintage, "first", 1, 2))
    again = written(storage, "2005Q1", "second", 7)
    assert rows(spark, NUMBERS) == [(2005, 1, 1), (2005, 1, 2), (2005, 2, 1), (2005, 2, 2)]
    before = spark.table(f"{DATABASE}.book")
    catalog.set_location(BOOK, "2005Q1", again)
    catalog.set_location(BOOK, "2005Q1", again)
    assert rows(spark, NUMBERS) == [(2005, 1, 7), (2005, 2, 1), (2005, 2, 2)]
    assert before.count() in {3, 4}  # a reader that was on its way: the old rows or the new
    assert [(output.vintage, output.input_name) for output in catalog.outputs(BOOK)] == [
        ("2005Q1", "second"),
        ("2005Q2", "first"),
    ]


def test_a_table_that_is_not_there_has_no_locations(catalog: Catalog) -> None:
    assert catalog.locations(BOOK) == {}
    assert catalog.outputs(BOOK) == []


def test_a_table_with_other_columns_is_refused_by_the_first_that_differs(catalog: Catalog) -> None:
    catalog.prepare(BOOK)
    name, number, *others = BOOK.columns
    wider = replace(BOOK, columns=(name, replace(number, type=BIGINT), *others))
    with pytest.raises(SchemaMismatch, match="column 2 is number SMALLINT, and should be number BIGINT"):
        catalog.prepare(wider)
    with pytest.raises(SchemaMismatch, match="column 5 is vintage_year INT, and should be more BIGINT"):
        catalog.prepare(replace(BOOK, columns=(*BOOK.columns, Column("more", BIGINT))))


def test_files_below_another_root_are_not_taken_for_ours(
    spark: SparkSession, catalog: Catalog, storage: Storage, tmp_path: Path
) -> None:
    catalog.prepare(BOOK)
    catalog.set_location(BOOK, "2005Q1", written(storage, "2005Q1", "a", 1))
    with pytest.raises(StorageUnusable, match="HEADRACE_BATCH_ROOT"):
        Catalog(spark, Storage(str(tmp_path / "elsewhere"), {})).locations(BOOK)


@pytest.mark.parametrize("held", [True, False])
def test_raw_lines_are_shown_as_they_are_wherever_the_file_lies(
    spark: SparkSession, catalog: Catalog, storage: Storage, tmp_path: Path, held: bool
) -> None:
    lines = ["F05Q1|a\\N", "\\N", "", '"quoted|\x01after', "a|||"]
    if held:
        storage.write("raw/origination/2005Q1/x.txt", "\n".join(lines).encode())
    (tmp_path / "mine.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "another.txt").write_text("not asked for\n")
    entry = Input(
        kind="origination",
        vintage="2005Q1",
        layout="r47",
        losses="positive",
        name="_orig 2005.txt",
        path="raw/origination/2005Q1/x.txt" if held else str(tmp_path / "mine.txt"),
        held=held,
        sha256="a" * 64,
        bytes=1,
        rows=5,
        splits=(),
        taken_at="2026-11-21T00:00:00Z",
    )
    catalog.show_raw(entry)
    catalog.show_raw(entry)
    found = rows(spark, f"SELECT line, vintage_year, vintage_quarter FROM {DATABASE}.raw_originations")
    assert sorted(found) == sorted((line, 2005, 1) for line in lines)


def described(spark: SparkSession, name: str) -> list[tuple[str, str]]:
    found = rows(spark, f"DESCRIBE {DATABASE}.`{name}`")
    return [(column, type_) for column, type_, _ in found[: len(found) - 4]]


@pytest.mark.parametrize("table", LOAN_TABLES.values(), ids=lambda table: table.name)
def test_the_engine_makes_the_declared_tables(spark: SparkSession, catalog: Catalog, table: Table) -> None:
    catalog.prepare(table)
    found = rows(spark, f"DESCRIBE EXTENDED {DATABASE}.{table.name}")
    detail = {name: value for name, value, _ in found}
    assert detail["Type"] == "EXTERNAL"
    assert "MapredParquetOutputFormat" in detail["OutputFormat"]
    names = [*(column.name for column in table.columns), "vintage_year", "vintage_quarter"]
    assert [name for name, _, _ in found[: len(names)]] == names
    catalog.prepare(table)


@settings(max_examples=5)
@given(table=any_table(), odd=st.text(max_size=20))
def test_the_engine_makes_tables_of_any_shape(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, table: Table, odd: str
) -> None:
    spark.sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    spark.sql(f"DROP TABLE IF EXISTS {DATABASE}.`{table.name}`")
    catalog = Catalog(spark, Storage(str(tmp_path_factory.mktemp("any")), {}))
    catalog.prepare(replace(table, description=odd))
    catalog.prepare(table)
    types = [(column.name, hive.column_type(column.type).lower()) for column in table.columns]
    assert rows(spark, f"DESCRIBE {DATABASE}.`{table.name}`")[: len(types)] == [
        (name, type_, column.description or None)
        for (name, type_), column in zip(types, table.columns, strict=True)
    ]
