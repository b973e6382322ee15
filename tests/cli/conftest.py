import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from cli.main import run
from cli.place import Place
from headrace.ops.clock import SystemClock
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.warehouse import connect
from infra.local import postgres, processes
from infra.local.state import State


@dataclass(frozen=True)
class Answer:
    """What one command line came to."""

    code: int
    out: str
    err: str


Headrace = Callable[..., Answer]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / ".headrace")
    yield state
    for name in processes.names(state):
        processes.stop(state, name, SystemClock(), patience=10)


WITHOUT_WORKERS = ("--without", "stream", "--without", "archive", "--without", "error-desk")


@pytest.fixture
def headrace(state: State, capsys: pytest.CaptureFixture[str]) -> Headrace:
    """Runs a command line in this process, on a state folder of the test's own."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "AWS_"))
    }

    def call(*arguments: str, **variables: str) -> Answer:
        capsys.readouterr()
        place = Place(environ | {"HEADRACE_STATE": str(state.root)} | variables, SystemClock())
        code = run(list(arguments), place)
        return Answer(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def warehouse_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A prepared warehouse, shared by the tests of one module."""
    state = State(tmp_path_factory.mktemp("warehouse") / ".headrace")
    background = postgres.start(state, os.environ, SystemClock(), preferred=0)
    url = postgres.url(state, background)
    warehouse = connect(url, SystemClock())
    warehouse.prepare(list(OUTPUTS.values()))
    warehouse.close()
    yield url
    postgres.stop(state, SystemClock())


@pytest.fixture
def database(warehouse_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        yield connection
