import re

import pytest
import sqlglot
from hypothesis import given
from sqlglot import exp

from headrace.schemas import tables
from headrace.schemas.loan_tables import LOAN_KEYS, LOAN_TABLES
from headrace.schemas.tables import BIGINT, DATE, DOUBLE, TIMESTAMP, Column, Table, decimal, text
from headrace.schemas.targets.mysql import MAX_SCALE, create_table
from tests.schemas.tables_strategy import any_table


def fits(table: Table) -> bool:
    return all((column.type.scale or 0) <= MAX_SCALE for column in table.columns)


@given(any_table().filter(fits))
def test_the_oracle_reads_back_the_columns_of_any_table(table: Table) -> None:
    parsed = sqlglot.parse_one(create_table(table), dialect="mysql")

    assert isinstance(parsed, exp.Create)
    found = [
        (column.name, column.find(exp.NotNullColumnConstraint) is None)
        for column in parsed.find_all(exp.ColumnDef)
    ]
    assert found == [(column.name, column.nullable) for column in table.columns]
    assert parsed.this.this.name == table.name


@given(any_table().filter(fits))
def test_no_column_drops_trailing_blanks_or_ends_in_2038(table: Table) -> None:
    types = re.findall(r"^  `\w+` (\w+)", create_table(table), flags=re.MULTILINE)
    assert len(types) == len(table.columns)
    assert not {"CHAR", "BINARY", "TIMESTAMP", "FLOAT"} & set(types)


def test_the_ddl_is_what_a_person_would_write() -> None:
    table = Table(
        "page",
        (Column("at", TIMESTAMP), Column("path", text(9)), Column("n", decimal(12, 2), nullable=True)),
    )

    assert create_table(table, key=("path", "at")) == (
        "CREATE TABLE IF NOT EXISTS `page` (\n  `at` DATETIME(6) NOT NULL,\n  `path` VARCHAR(9) NOT NULL,\n"
        "  `n` DECIMAL(12, 2),\n  PRIMARY KEY (`path`, `at`)\n) "
        "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    )


@pytest.mark.parametrize("name", LOAN_TABLES)
def test_the_loan_tables_keep_all_columns_in_the_row(name: str) -> None:
    ddl = create_table(LOAN_TABLES[name], key=(*LOAN_KEYS[name], "vintage"))
    sqlglot.parse_one(ddl, dialect="mysql")
    assert "TEXT" not in ddl
    assert "BLOB" not in ddl


def test_only_the_widest_columns_of_a_row_that_is_too_long_lie_beside_it() -> None:
    wide = Column("wide", text(10_000), nullable=True)
    wider = Column("wider", text(12_000), nullable=True)
    key, big = Column("key", text(700)), Column("big", tables.binary(500_000))

    ddl = create_table(Table("t", (key, wide, wider, big)), key=("key",))

    types = dict(re.findall(r"^  `(\w+)` ([A-Z]+)", ddl, flags=re.MULTILINE))
    assert types == {"key": "VARCHAR", "wide": "VARCHAR", "wider": "TEXT", "big": "LONGBLOB"}


@pytest.mark.parametrize(
    ("column", "key", "said"),
    [
        (Column("n", decimal(38, 31)), (), "30 digits"),
        (Column("n", BIGINT, nullable=True), ("n",), "may be NULL"),
        (Column("n", text(800)), ("n",), "3072 bytes"),
        (Column("n", DATE), ("m",), "no column"),
    ],
)
def test_what_mysql_cannot_have_is_said(column: Column, key: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        create_table(Table("t", (column, Column("x", DOUBLE))), key=key)
