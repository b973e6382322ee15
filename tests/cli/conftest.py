import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from cli.main import run
from cli.place import Place
from headrace.ops.clock import SystemClock
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.warehouse import connect
from infra.local import emulator, postgres, processes
from infra.local.state import State
from tests.cli.answer import Answer
from tests.cli.toy_operator import Operator

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


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The environment of an operator whose account is the emulator's."""
    state = State(tmp_path_factory.mktemp("emulator") / ".headrace")
    process = emulator.start(state, os.environ, SystemClock(), preferred=0)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HEADRACE_"))}
    yield kept | {
        "AWS_ENDPOINT_URL": emulator.endpoint(process),
        "AWS_ACCESS_KEY_ID": f"AKIASTAGES{process.port}",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    emulator.stop(state, SystemClock())


@pytest.fixture
def operator(
    tmp_path: Path,
    aws: Mapping[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Operator]:
    """Before whom nothing of the toy stage is there, and who leaves nothing of it."""
    operator = Operator(tmp_path, aws, capsys, monkeypatch)
    yield operator
    monkeypatch.undo()
    operator.leaves()


@pytest.fixture
def deployed(operator: Operator) -> Operator:
    """The stack is there, made without the CDK, which takes its seconds."""
    operator.make()
    return operator
