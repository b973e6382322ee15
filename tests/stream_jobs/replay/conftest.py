import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from headrace.kinesis.client import connect
from headrace.kinesis.port import Kinesis
from headrace.ops.clock import SystemClock
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.preparation import tables
from headrace.warehouse.system_tables import LEDGER_VERSION
from headrace.warehouse.warehouse import connect as open_warehouse
from infra.local import postgres
from infra.local.state import State
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.stream_jobs.replay.mill import Bucket, Mill


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database with all tables, on an embedded PostgreSQL of its own."""
    state, clock = State(tmp_path_factory.mktemp("replay") / ".headrace"), SystemClock()
    url = postgres.url(state, postgres.start(state, os.environ, clock, preferred=0))
    warehouse = open_warehouse(url, clock)
    warehouse.prepare(list(OUTPUTS.values()))
    warehouse.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield url
    postgres.stop(state, clock)


@pytest.fixture
def url(server: str) -> str:
    """That database, emptied."""
    with psycopg.connect(server, autocommit=True) as connection:
        names = [table.name for table in tables(list(OUTPUTS.values())) if table != LEDGER_VERSION]
        connection.execute(f"TRUNCATE {', '.join(names)}")
    return server


@pytest.fixture
def query(url: str) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Runs SQL in the test's database."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield lambda sql, *values: connection.execute(sql, values or None).fetchall()


@pytest.fixture
def kinesis(clock: ManualClock) -> Iterator[KinesisDouble]:
    with KinesisDouble(clock) as double:
        double.create_stream("events", shards=2)
        double.create_stream("errors", shards=1)
        yield double


@pytest.fixture
def client(kinesis: KinesisDouble, clock: ManualClock) -> Iterator[Kinesis]:
    client = connect(clock, endpoint_url=kinesis.url)
    yield client
    client.close()


@pytest.fixture
def mill(url: str, kinesis: KinesisDouble, client: Kinesis, clock: ManualClock) -> Iterator[Mill]:
    mill = Mill(url, kinesis, client, clock)
    yield mill
    mill.close()


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()
