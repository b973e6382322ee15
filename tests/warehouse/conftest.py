import os
from collections.abc import Callable, Iterator

import psycopg
import pytest

from headrace.ops.clock import SystemClock
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.engines import redshift as engines_redshift
from headrace.warehouse.probe import Probe, no_probe
from headrace.warehouse.warehouse import Warehouse
from headrace.warehouse.warehouse import connect as open_warehouse
from infra.local import postgres
from infra.local.state import State
from tests.doubles.clock import ManualClock
from tests.doubles.redshift import RedshiftDouble
from tests.doubles.redshift_bucket import Bucket
from tests.doubles.redshift_rules import setup as redshift_setup
from tests.warehouse.databases import Databases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module's ENGINES are those that each of its tests of the tables runs on."""
    engines = getattr(metafunc.module, "ENGINES", ())
    if engines and "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", engines, indirect=True)


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


@pytest.fixture(scope="session")
def databases(server: Callable[[str], str]) -> Databases:
    """Databases on it."""
    return Databases(server)


@pytest.fixture
def empty_url(databases: Databases) -> Iterator[str]:
    """An empty database of its own."""
    with databases.lend("template1") as url:
        yield url


@pytest.fixture(scope="session")
def _prepared(server: Callable[[str], str]) -> str:
    with psycopg.connect(server("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE prepared")
    warehouse = open_warehouse(server("prepared"), ManualClock())
    warehouse.prepare(list(OUTPUTS.values()))
    warehouse.close()
    return "prepared"


@pytest.fixture(scope="session")
def _prepared_redshift(server: Callable[[str], str], _prepared: str) -> str:
    """The same, with what Redshift has and PostgreSQL lacks."""
    with psycopg.connect(server("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE prepared_redshift TEMPLATE {_prepared}")
    with psycopg.connect(server("prepared_redshift")) as connection:
        for statement in redshift_setup(list(OUTPUTS.values())):
            connection.execute(statement.encode())
    return "prepared_redshift"


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """Which engine the test is for: PostgreSQL, unless its module names others."""
    return str(getattr(request, "param", "postgresql"))


@pytest.fixture
def url(databases: Databases, engine: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of its own, with the tables of every declared output."""
    template = "_prepared" if engine == "postgresql" else "_prepared_redshift"
    with databases.lend(request.getfixturevalue(template)) as url:
        yield url


@pytest.fixture
def redshift(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedshiftDouble]:
    """Redshift on the test's database; headrace logs in there."""
    with RedshiftDouble(url, Bucket()).serving() as double:
        monkeypatch.setattr(engines_redshift, "login", lambda _address: double.login())
        monkeypatch.setattr(engines_redshift, "client", lambda _service, _address: double.bucket)
        yield double


@pytest.fixture
def address(engine: str, url: str, request: pytest.FixtureRequest) -> str:
    """HEADRACE_WAREHOUSE_URL of the test's database."""
    if engine == "postgresql":
        return url
    double: RedshiftDouble = request.getfixturevalue("redshift")
    return double.address


@pytest.fixture
def connect(address: str, clock: ManualClock) -> Iterator[Callable[..., Warehouse]]:
    """Opens warehouses on the test's database; each is prepared."""
    opened: list[Warehouse] = []

    def open_one(probe: Probe = no_probe) -> Warehouse:
        warehouse = open_warehouse(address, clock, probe=probe)
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
