import gc
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pyspark.sql import SparkSession

from headrace.ops import logs
from headrace.ops.clock import SystemClock
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.warehouse import connect as open_warehouse
from infra.local import postgres
from infra.local.state import State
from stream_jobs.session import spark_session
from stream_jobs.settings import StreamJobSettings
from tests.doubles.kinesis import KinesisDouble
from tests.stream_jobs.job.harness import Job

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded PostgreSQL: a URL that ends before the database's name."""
    state, clock = State(tmp_path_factory.mktemp("job") / ".headrace"), SystemClock()
    background = postgres.start(state, os.environ, clock, preferred=0)
    base = postgres.url(state, background).removesuffix(postgres.DATABASE)
    with psycopg.connect(base + "postgres", autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE prepared")
    warehouse = open_warehouse(base + "prepared", clock)
    warehouse.prepare(list(OUTPUTS.values()))
    warehouse.close()
    yield base
    postgres.stop(state, clock)


@pytest.fixture
def url(server: str) -> Iterator[str]:
    """A database of its own, with all tables."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE prepared")
        yield server + name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def query(url: str) -> Iterator[Callable[[str], list[tuple[object, ...]]]]:
    """Runs SQL in the test's database."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield lambda sql: connection.execute(sql).fetchall()


@pytest.fixture(scope="session")  # a process has one Spark at a time: the batch jobs' tests stop this one
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = spark_session(master="local[2]", memory="1g", state=tmp_path_factory.mktemp("spark"))
    yield session
    session.stop()


@pytest.fixture
def kinesis(monkeypatch: pytest.MonkeyPatch) -> Iterator[KinesisDouble]:
    with KinesisDouble() as double:
        double.create_stream("events", shards=2)
        monkeypatch.setenv("AWS_ENDPOINT_URL", double.url)
        yield double


@pytest.fixture
def settings(url: str, tmp_path: Path) -> StreamJobSettings:
    return StreamJobSettings(warehouse_url=url, state=str(tmp_path), trigger_ms=50, drain_seconds=20)


@pytest.fixture
def job(
    spark: SparkSession,
    settings: StreamJobSettings,
    kinesis: KinesisDouble,  # noqa: ARG001  the job finds it in the environment
) -> Iterator[Callable[..., Job]]:
    """Starts jobs in this process; what is given replaces settings."""
    jobs: list[Job] = []
    logs.configure(process="stream-job")  # structlog's own way to draw a failure takes a second

    def start(**changes: Any) -> Job:
        jobs.append(Job(spark, settings, **changes))
        return jobs[-1]

    yield start
    for one in jobs:
        one.stop()
    gc.collect()  # of the sockets that py4j leaves open, while their warnings are ignored
