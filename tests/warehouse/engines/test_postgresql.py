from collections.abc import Callable

import psycopg
import pyarrow as pa
import pytest

from headrace.schemas.registry import OUTPUTS
from headrace.schemas.tables import Table
from headrace.schemas.targets.postgresql import create_indexes, create_table
from headrace.warehouse.engines.postgresql import PostgresqlSession
from headrace.warehouse.engines.postgresql_setup import LOCK_PREPARATION
from headrace.warehouse.preparation import tables
from headrace.warehouse.staging import arrow_schema
from headrace.warehouse.system_tables import LEDGER_TYPES
from tests.warehouse.queries import Sql

ALL = list(OUTPUTS.values())


@pytest.mark.stack
def test_a_stage_is_private_and_gone_after_the_transaction(url: str) -> None:
    rows = pa.table([["a", "b"], [1, 2]], schema=arrow_schema(LEDGER_TYPES))
    session = PostgresqlSession(url)
    for _ in range(2):
        with session.transaction() as cursor:
            cursor.stage(LEDGER_TYPES, "stage_types", [rows])
            cursor.execute("select * from stage_types order by 1")
            assert list(cursor) == [("a", 1), ("b", 2)]
    with session.cursor() as cursor:
        cursor.execute("select to_regclass('stage_types'), (select count(*) from ledger_types)")
        assert cursor.fetchone() == (None, 0)
    session.close()


@pytest.mark.stack
def test_preparations_take_turns(server: Callable[[str], str]) -> None:
    with psycopg.connect(server("postgres")) as one, psycopg.connect(server("postgres")) as two:
        one.execute(LOCK_PREPARATION)
        two.execute("set lock_timeout = '1ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            two.execute(LOCK_PREPARATION)
        one.rollback()
        two.rollback()
        two.execute(LOCK_PREPARATION)


@pytest.mark.parametrize("table", tables(ALL), ids=lambda table: table.name)
def test_tables_are_created_without_keys_that_redshift_would_not_enforce(table: Table) -> None:
    text = ";".join([create_table(table), *create_indexes(table).values()])
    for keyword in ("PRIMARY", "UNIQUE", "REFERENCES"):
        assert keyword not in text


@pytest.mark.stack
def test_windows_are_indexed_by_their_start_alone(sql: Sql) -> None:
    """A long path does not fit an index row."""
    for output in ALL:
        definitions = sql("select indexdef from pg_indexes where tablename = %s", output.name)
        assert [str(text).rsplit("USING ", 1)[1] for (text,) in definitions] == ["btree (window_start)"]
