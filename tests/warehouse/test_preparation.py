from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from headrace.errors import SchemaMismatch
from headrace.ops.clock import Clock
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.preparation import ANALYST, tables
from headrace.warehouse.warehouse import Warehouse
from headrace.warehouse.warehouse import connect as open_warehouse
from tests.warehouse.at_once import at_once
from tests.warehouse.queries import Sql
from tests.warehouse.simulation import batch_id, fold_of, good

pytestmark = pytest.mark.stack

ALL = list(OUTPUTS.values())


def prepare(url: str, clock: Clock) -> None:
    with closing(open_warehouse(url, clock)) as warehouse:
        warehouse.prepare(ALL)


def columns(url: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with psycopg.connect(url) as connection:
        query = (
            "select table_name, column_name from information_schema.columns "
            "where table_schema = 'public' order by table_name, ordinal_position"
        )
        for table, column in connection.execute(query):
            found.setdefault(table, []).append(column)
    return found


def test_every_declared_table_and_view_is_made(empty_url: str, clock: Clock) -> None:
    prepare(empty_url, clock)
    found = columns(empty_url)
    for table in tables(ALL):
        assert found.pop(table.name) == [column.name for column in table.columns]
    assert found.keys() == {
        "frontier",
        "ledger",
        "rejects_per_minute",
        *(f"{output.name}_final" for output in ALL),
    }


def test_nothing_leans_on_keys_that_redshift_would_not_enforce(sql: Sql) -> None:
    assert not sql(
        "select conname from pg_constraint "
        "where contype in ('p', 'u', 'f') and connamespace = 'public'::regnamespace"
    )
    assert not sql(
        "select indexname from pg_indexes where schemaname = 'public' and indexdef like '%UNIQUE%'"
    )


def test_preparing_again_keeps_everything(warehouse: Warehouse, sql: Sql) -> None:
    warehouse.commit(batch_id(0), warehouse.take_epoch("events"), fold_of(good(1)))
    warehouse.prepare(ALL)
    warehouse.prepare(ALL[:1])
    assert sql("select records from web_traffic_1m") == [(1,)]
    assert len(sql("select * from ledger_version")) == 1


def test_many_may_prepare_at_once(empty_url: str, clock: Clock) -> None:
    at_once(6, lambda: prepare(empty_url, clock))


def test_a_table_with_other_columns_is_refused(empty_url: str, clock: Clock) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute("create table web_paths_5m (window_start timestamptz, path text)")
    with pytest.raises(SchemaMismatch, match="web_paths_5m"):
        prepare(empty_url, clock)


def test_analysts_read_the_windows_and_the_rejects_and_write_nothing(url: str) -> None:
    readable = [
        "web_traffic_1m",
        "web_traffic_1m__parts",
        "web_traffic_1m_final",
        "rejects",
        "ledger",
        "frontier",
    ]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"set role {ANALYST}")
        for name in (*readable, "rejects_per_minute"):
            connection.execute(f"select * from {name}")
        for statement in (
            "select * from batches",
            "delete from rejects",
            "update web_traffic_1m set records = 0",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_a_user_who_may_not_create_roles_is_told_and_goes_on(
    empty_url: str, server: Callable[[str], str], clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(server("postgres"), autocommit=True) as connection:
        connection.execute("create role plain login password 'secret'")
        connection.execute(f"alter database {empty_url.rsplit('/', 1)[1]} owner to plain")
        taken = connection.execute("select 1 from pg_roles where rolname = %s", [ANALYST]).fetchone()
        if taken:
            connection.execute(f"alter role {ANALYST} rename to set_aside")
        try:
            warehouse = open_warehouse(f"postgresql://plain:secret@{empty_url.split('@')[1]}", clock)
            warehouse.prepare(ALL)
            warehouse.commit(batch_id(0), warehouse.take_epoch("events"), fold_of(good(1)))
        finally:
            warehouse.close()
            if taken:
                connection.execute(f"alter role set_aside rename to {ANALYST}")
            connection.execute(f"alter database {empty_url.rsplit('/', 1)[1]} owner to current_user")
    said = capfd.readouterr()
    assert ANALYST in said.out + said.err
