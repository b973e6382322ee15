import itertools
import os
from collections.abc import Callable, Iterator

import psycopg
import pytest

from headrace.ops.clock import SystemClock
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.probe import Probe, no_probe
from headrace.warehouse.warehouse import Warehouse
from headrace.warehouse.warehouse import connect as open_warehouse
from infra.local import postgres
from infra.local.state import State
from tests.doubles.clock import ManualClock

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """The embedded PostgreSQL; call it with a database's name for a URL."""
    state, clock = State(tmp_path_factory.mktemp("warehouse") / ".headrace"), SystemClock()
    background = postgres.start(state, os.environ, clock, preferred=0)
    base = postgres.url(state, background).removesuffix(postgres.DATABASE)
    with psycopg.connect(base + "postgres", autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield lambda database: base + database
    postgres.stop(state, clock)


@pytest.fixture
def empty_url(server: Callable[[str], str]) -> Iterator[str]:
    """An empty database of its own."""
    yield from _database(server, template="template1")


@pytest.fixture(scope="session")
def _prepared(server: Callable[[str], str]) -> str:
    with psycopg.connect(server("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE prepared")
    warehouse = open_warehouse(server("prepared"), ManualClock())
    warehouse.prepare(list(OUTPUTS.values()))
    warehouse.close()
    return "prepared"


@pytest.fixture
def url(server: Callable[[str], str], _prepared: str) -> Iterator[str]:
    """A database of its own, with the tables of every declared output."""
    yield from _database(server, template=_prepared)


def _database(server: Callable[[str], str], template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield server(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def connect(url: str, clock: ManualClock) -> Iterator[Callable[..., Warehouse]]:
    """Opens warehouses on the test's database; each is prepared."""
    opened: list[Warehouse] = []

    def open_one(probe: Probe = no_probe) -> Warehouse:
        warehouse = open_warehouse(url, clock, probe=probe)
        opened.append(warehouse)
        warehouse.prepare(list(OUTPUTS.values()))
        return warehouse

    yield open_one
    for warehouse in opened:
        warehouse.close()


@pytest.fixture
def warehouse(connect: Callable[..., Warehouse]) -> Warehouse:
    return connect()


@pytest.fixture
def sql(url: str) -> Iterator[Callable[..., list[tuple[object, ...]]]]:
    """Runs a statement on the test's database and returns its rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")

        def run(query: str, *values: object) -> list[tuple[object, ...]]:
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

        yield run
