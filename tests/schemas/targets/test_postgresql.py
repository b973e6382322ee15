import sqlglot
from hypothesis import given
from sqlglot import exp

from headrace.schemas.tables import BIGINT, TIMESTAMP, Column, Table, text
from headrace.schemas.targets.postgresql import create_indexes, create_table
from tests.schemas.tables_strategy import DECLARED, any_table


@given(any_table())
def test_the_oracle_reads_back_the_columns_of_any_table(table: Table) -> None:
    parsed = sqlglot.parse_one(create_table(table), dialect="postgres")

    assert isinstance(parsed, exp.Create)
    found = [
        (column.name, column.find(exp.NotNullColumnConstraint) is None)
        for column in parsed.find_all(exp.ColumnDef)
    ]
    assert found == [(column.name, column.nullable) for column in table.columns]
    assert parsed.this.this.name == table.name


@given(any_table())
def test_there_is_no_key_that_redshift_would_not_enforce(table: Table) -> None:
    parsed = sqlglot.parse_one(create_table(table), dialect="postgres")

    assert not list(
        parsed.find_all(exp.PrimaryKeyColumnConstraint, exp.UniqueColumnConstraint, exp.PrimaryKey)
    )


@given(any_table())
def test_the_indexes_are_on_the_sort_key_and_the_lookup_key(table: Table) -> None:
    indexes = create_indexes(table)
    keys = [table.sort_key, (table.lookup_key,) if table.lookup_key else ()]

    for (name, statement), key in zip(indexes.items(), filter(None, keys), strict=True):
        parsed = sqlglot.parse_one(statement, dialect="postgres")
        ordered = parsed.find(exp.IndexParameters)
        assert ordered is not None
        assert [column.name for column in ordered.find_all(exp.Column)] == list(key)
        assert parsed.this.name == name
        assert len(name) <= 63


def test_the_ddl_is_what_a_person_would_write() -> None:
    table = Table(
        "page",
        (Column("at", TIMESTAMP), Column("path", text(9)), Column("n", BIGINT, nullable=True)),
        ("at",),
    )

    assert create_table(table) == (
        'CREATE TABLE IF NOT EXISTS "page" (\n  "at" TIMESTAMPTZ NOT NULL,\n'
        '  "path" VARCHAR(9) NOT NULL,\n  "n" BIGINT\n)'
    )
    assert create_indexes(table) == {"page__sort": 'CREATE INDEX IF NOT EXISTS "page__sort" ON "page" ("at")'}


def test_the_indexes_of_the_longest_name_are_not_cut_by_the_engine() -> None:
    table = Table("t" * 63, (Column("n", BIGINT),), sort_key=("n",), lookup_key="n")

    assert list(create_indexes(table).values()) == [
        f'CREATE INDEX IF NOT EXISTS "{"t" * 57}__sort" ON "{"t" * 63}" ("n")',
        f'CREATE INDEX IF NOT EXISTS "{"t" * 55}__lookup" ON "{"t" * 63}" ("n")',
    ]


def test_the_declared_tables_parse() -> None:
    for table in DECLARED:
        sqlglot.parse_one(create_table(table), dialect="postgres")
