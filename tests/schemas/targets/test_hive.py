import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from headrace.schemas.loan_tables import LOAN_TABLES
from headrace.schemas.tables import BOOLEAN, INT, SMALLINT, Column, Table, decimal, text
from headrace.schemas.targets.hive import (
    add_partition,
    create_lines,
    create_table,
    literal,
    set_location,
)
from tests.schemas.tables_strategy import DECLARED, any_table

KEYS = {"vintage_year": 2005, "vintage_quarter": 1}


@settings(max_examples=30)
@given(any_table(), st.text(max_size=9))
def test_the_oracle_reads_back_columns_partitions_and_place_of_any_table(table: Table, place: str) -> None:
    parsed = sqlglot.parse_one(create_table(table, database="d", location=place), dialect="hive")

    assert isinstance(parsed, exp.Create)
    assert parsed.find(exp.ExternalProperty)
    assert parsed.this.this.name == table.name
    schema = [column.name for column in parsed.this.expressions if isinstance(column, exp.ColumnDef)]
    assert schema == [column.name for column in table.columns]
    partitions = parsed.find(exp.PartitionedByProperty)
    assert partitions
    assert [column.name for column in partitions.find_all(exp.ColumnDef)] == list(KEYS)
    location, form = parsed.find(exp.LocationProperty), parsed.find(exp.FileFormatProperty)
    assert location
    assert form
    assert (location.this.name, form.name) == (place, "PARQUET")


@given(st.text(max_size=9))
def test_any_text_is_a_literal(value: str) -> None:
    assert sqlglot.parse_one(f"SELECT {literal(value)}", dialect="hive").expressions[0].this == value


def test_the_ddl_is_what_a_person_would_write() -> None:
    columns = (
        Column("name", text(9), nullable=True, description="isn't padded"),
        Column("number", SMALLINT),
        Column("amount", decimal(12, 2)),
        Column("good", BOOLEAN),
    )
    table = Table("book", columns, description="A book.")
    assert create_table(table, database="headrace", location="file:/a b/tables/book") == (
        "CREATE EXTERNAL TABLE IF NOT EXISTS `headrace`.`book` (\n"
        "  `name` STRING COMMENT 'isn\\'t padded',\n  `number` SMALLINT,\n"
        "  `amount` DECIMAL(12,2),\n  `good` BOOLEAN\n)\n"
        "COMMENT 'A book.'\n"
        "PARTITIONED BY (`vintage_year` INT, `vintage_quarter` INT)\n"
        "STORED AS PARQUET\n"
        "LOCATION 'file:/a b/tables/book'"
    )


def test_a_partition_is_added_once_and_then_moved() -> None:
    partition = "PARTITION (`vintage_year` = 2005, `vintage_quarter` = 1)"
    assert add_partition("book", KEYS, database="headrace", location="s3://b/x") == (
        f"ALTER TABLE `headrace`.`book` ADD IF NOT EXISTS {partition} LOCATION 's3://b/x'"
    )
    assert set_location("book", KEYS, database="headrace", location="s3://b/y") == (
        f"ALTER TABLE `headrace`.`book` {partition} SET LOCATION 's3://b/y'"
    )


def test_a_long_comment_is_cut_to_what_every_catalog_holds() -> None:
    table = Table("book", (Column("n", INT, description="x" * 300),))
    assert f"COMMENT '{'x' * 255}'" in create_table(table, database="d", location="x")


def test_a_column_with_a_partitions_name_is_refused() -> None:
    with pytest.raises(ValueError, match="vintage_quarter"):
        create_table(Table("book", (Column("vintage_quarter", INT),)), database="d", location="x")


@pytest.mark.parametrize("table", [*DECLARED, *LOAN_TABLES.values()], ids=lambda table: table.name)
def test_the_declared_tables_parse(table: Table) -> None:
    sqlglot.parse_one(create_table(table, database="headrace", location="s3://b/x"), dialect="hive")


def test_the_table_of_lines_parses_and_has_one_column() -> None:
    parsed = sqlglot.parse_one(create_lines("raw", "Lines.", database="d", location="x"), dialect="hive")
    columns = [column.name for column in parsed.this.expressions if isinstance(column, exp.ColumnDef)]
    assert columns == ["line"]
