import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import boto3
import psycopg
import pytest

from headrace.errors import LocalStackFailed
from headrace.ops.clock import SystemClock
from headrace.schemas.registry import OUTPUTS
from infra.local import java, processes, streams
from infra.local.stack import Stack
from infra.local.state import State
from infra.local.workers import ARCHIVE, DESK, JOB, NAMES, Workers

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("local stack")]

WORKER = """
import os
import socket
from headrace.ops.health import Health, HealthServer
from headrace.ops.shutdown import Shutdown
shutdown = Shutdown.install()
with HealthServer(lambda: Health(ok=True, detail={}), port=int(os.environ["HEADRACE_HEALTH_PORT"])):
    while not shutdown.wait(60):
        pass
print("drained", os.environ["HEADRACE_WAREHOUSE_URL"][:13], os.environ.get("AWS_PROFILE"))
"""
FAILING = "raise SystemExit('no disk left for the checkpoint')"


def program(text: str) -> tuple[str, ...]:
    return sys.executable, "-c", text


def all_run(text: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(NAMES, program(text))


def running(state: State) -> list[str]:
    return [name for name in processes.names(state) if processes.find(state, name)]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack without its workers, which a test that starts some stops again."""
    state = State(tmp_path_factory.mktemp("services") / ".headrace")
    ports = {"emulator_port": 0, "database_port": 0}
    local = Stack(state, dict(os.environ), SystemClock(), print, all_run(WORKER), **ports)
    local.up(NAMES)
    yield local
    local.down(now=True)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is deployed on the services: for tests of the processes alone."""
    monkeypatch.setattr(Stack, "start_services", Stack.start_platform)


def test_up_brings_everything_and_down_leaves_nothing_running(
    stack: Callable[..., Stack], state: State, said: list[str]
) -> None:
    local = stack(commands=all_run(WORKER), environ=dict(os.environ) | {"AWS_PROFILE": "production"})
    local.up()
    assert running(state) == ["archive", "emulator", "error-desk", "postgres", "stream"]
    local.workers.wait(DESK)
    assert all(part.running and part.healthy is not False for part in local.status())
    local.down(now=True)
    assert running(state) == []
    assert "stream: stopped" in said
    assert "drained postgresql:// None" in (state.log / "stream.log").read_text()


def test_up_twice_keeps_what_runs_and_workers_stop_alone(services: Stack) -> None:
    state = services.state
    first = [processes.find(state, name) for name in ("emulator", "postgres")]
    services.up()
    assert [processes.find(state, name) for name in ("emulator", "postgres")] == first
    assert processes.find(state, JOB)
    services.stop_workers()
    assert running(state) == ["emulator", "postgres"]


def test_the_env_file_leads_an_aws_sdk_and_psql_to_the_stack(
    services: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = subprocess.run(
        ["sh", "-c", f'. "{services.state.env}"; env'],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    for line in shell.stdout.splitlines():
        monkeypatch.setenv(*line.split("=", 1))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    assert boto3.client("kinesis").list_streams()["StreamNames"] == ["errors", "events"]
    with psycopg.connect("") as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert {(name,) for name in OUTPUTS} <= set(tables)


@pytest.mark.usefixtures("bare")
def test_a_job_that_dies_is_said_with_its_last_words_and_nothing_is_left_running(
    stack: Callable[..., Stack], state: State
) -> None:
    with pytest.raises(LocalStackFailed, match="no disk left for the checkpoint"):
        stack(commands=all_run(WORKER) | {JOB: program(FAILING)}).up()
    assert running(state) == []


def test_a_failed_up_stops_only_what_it_started(services: Stack) -> None:
    with pytest.raises(LocalStackFailed):
        replace(services, commands=all_run(WORKER) | {JOB: program(FAILING)}).up()
    assert running(services.state) == ["emulator", "postgres"]


@pytest.mark.usefixtures("bare")
def test_an_interrupted_up_leaves_nothing_running(
    stack: Callable[..., Stack], state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_self: Workers, _name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Workers, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stack(commands=all_run(WORKER)).up()
    assert running(state) == []


def test_without_a_fitting_java_nothing_is_started(
    stack: Callable[..., Stack], state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_environ: object) -> java.Java:
        raise LocalStackFailed("Spark needs Java 17 or 21, and none was found")

    monkeypatch.setattr(java, "find", none)
    with pytest.raises(LocalStackFailed, match="Java 17 or 21"):
        stack().up()
    assert not state.run.exists()


@pytest.mark.usefixtures("bare")
def test_down_stops_producers_first_and_waits_until_everything_is_read(
    stack: Callable[..., Stack],
    state: State,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local = stack(commands=all_run(WORKER))
    local.up()
    processes.start(state, "producer-1", program("import signal; signal.pause()"), os.environ)
    seen = []
    answers = iter([JOB, JOB, ARCHIVE, DESK, None])

    def behind(_self: Stack, names: list[str]) -> str | None:
        assert names == [*NAMES]
        seen.append(running(state))
        return next(answers)

    monkeypatch.setattr(Stack, "behind", behind)
    local.down()
    assert seen == [["archive", "emulator", "error-desk", "postgres", "stream"]] * 5
    assert said[-9:] == [
        "producer-1: stopped",
        "letting the stream job read everything",
        "letting the archive read everything",
        "letting the error desk read everything",
        "stream: stopped",
        "archive: stopped",
        "error-desk: stopped",
        "emulator: stopped",
        "postgres: stopped",
    ]


@pytest.mark.usefixtures("bare")
def test_down_does_not_wait_for_a_job_that_died(
    stack: Callable[..., Stack],
    state: State,
    said: list[str],
    clock: SystemClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local = stack(commands=all_run(WORKER))
    local.up()

    def not_yet(_self: Stack, _names: list[str]) -> str:
        processes.stop(state, JOB, clock)
        return JOB

    monkeypatch.setattr(Stack, "behind", not_yet)
    local.down()
    assert any("kept for the next `up`" in line for line in said)
    assert running(state) == []


def test_what_is_on_the_streams_and_not_done_is_seen(services: Stack) -> None:
    local = services
    assert local.behind() is None
    kinesis = streams.client(local.state.read_env())
    kinesis.put_record(StreamName="errors", Data=b"{}", PartitionKey="k")
    assert local.behind([JOB]) is None
    assert local.behind([ARCHIVE]) == ARCHIVE
    assert local.behind([DESK]) == DESK
    kinesis.put_record(StreamName="events", Data=b"{}", PartitionKey="k")
    assert local.behind() == JOB


def test_a_port_that_is_taken_is_said(stack: Callable[..., Stack], said: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack(emulator_port=port).start_platform()
    assert f"({port} is taken)" in said[0]


@pytest.mark.usefixtures("bare")
def test_the_database_alone_comes_up_for_a_question_and_env_follows_its_port(
    stack: Callable[..., Stack], state: State
) -> None:
    stack().up(NAMES)
    stack().down(now=True)
    before = state.read_env()
    database = stack().start_database()
    assert running(state) == ["postgres"]
    assert state.read_env() == before | {
        "PGPORT": str(database.port),
        "HEADRACE_WAREHOUSE_URL": before["HEADRACE_WAREHOUSE_URL"].replace(
            before["PGPORT"], str(database.port)
        ),
    }
