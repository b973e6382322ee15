import sqlglot
from hypothesis import given
from sqlglot import exp

from headrace.schemas.tables import BIGINT, TIMESTAMP, Column, Table, text
from headrace.schemas.targets.redshift import create_table
from tests.schemas.tables_strategy import DECLARED, any_table


@given(any_table())
def test_the_oracle_reads_back_columns_encodings_distribution_and_order(table: Table) -> None:
    parsed = sqlglot.parse_one(create_table(table), dialect="redshift")

    assert isinstance(parsed, exp.Create)
    columns = list(parsed.find_all(exp.ColumnDef))
    assert [column.name for column in columns] == [column.name for column in table.columns]
    assert all(column.find(exp.EncodeColumnConstraint) for column in columns)
    distribution = parsed.find(exp.DistKeyProperty)
    assert (distribution.this.name if distribution else None) == table.dist_key
    order = parsed.find(exp.SortKeyProperty)
    assert tuple(key.name for key in order.this) == table.sort_key if order else not table.sort_key


@given(any_table())
def test_the_oracle_writes_the_same_ddl_back(table: Table) -> None:
    ddl = create_table(table)
    once = sqlglot.parse_one(ddl, dialect="redshift").sql("redshift")

    assert sqlglot.parse_one(once, dialect="redshift").sql("redshift") == once


def test_the_ddl_is_what_a_person_would_write() -> None:
    table = Table(
        "page",
        (Column("at", TIMESTAMP), Column("path", text(9)), Column("n", BIGINT, nullable=True)),
        sort_key=("at",),
        dist_key="path",
    )

    assert create_table(table) == (
        'CREATE TABLE IF NOT EXISTS "page" (\n'
        '  "at" TIMESTAMPTZ NOT NULL ENCODE RAW,\n'
        '  "path" VARCHAR(9) NOT NULL ENCODE ZSTD,\n'
        '  "n" BIGINT ENCODE AZ64\n'
        ")\n"
        'DISTSTYLE KEY\nDISTKEY ("path")\nCOMPOUND SORTKEY ("at")'
    )


def test_only_the_first_sort_key_column_stays_raw() -> None:
    ddl = create_table(Table("page", (Column("at", TIMESTAMP), Column("n", BIGINT)), sort_key=("at", "n")))

    assert '"at" TIMESTAMPTZ NOT NULL ENCODE RAW' in ddl
    assert '"n" BIGINT NOT NULL ENCODE AZ64' in ddl


def test_without_a_distribution_key_rows_are_spread_evenly() -> None:
    assert create_table(Table("page", (Column("n", BIGINT),))).endswith(")\nDISTSTYLE EVEN")


def test_the_declared_tables_parse() -> None:
    for table in DECLARED:
        sqlglot.parse_one(create_table(table), dialect="redshift")
