import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Never

import pytest

from headrace.errors import FencedOut
from headrace.ops.clock import SystemClock
from headrace.ops.shutdown import Shutdown
from stream_jobs import __main__ as program
from stream_jobs import main
from stream_jobs.settings import SUBMITTED, StreamJobSettings
from tests.doubles.kinesis import KinesisDouble


@pytest.mark.parametrize(("master", "code"), [(SUBMITTED, 0), ("local[2]", 1)])
def test_a_job_that_was_fenced_out_ends_well_where_it_would_be_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master: str, code: int
) -> None:
    def fenced_out(*_: object) -> Never:
        raise FencedOut("epoch 2 has taken over")

    monkeypatch.setattr(main, "_stream", fenced_out)
    monkeypatch.setattr(main, "find_java", lambda _: "java")
    settings = StreamJobSettings(warehouse_url="none", state=str(tmp_path), spark_master=master)
    assert main.run(settings, {}, clock=SystemClock(), shutdown=Shutdown()) == code


def test_a_job_under_spark_submit_looks_for_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "_stream", lambda *_: None)
    settings = StreamJobSettings(warehouse_url="none", state=str(tmp_path), spark_master=SUBMITTED)
    nowhere = {"JAVA_HOME": "/nowhere"}
    assert main.run(settings, nowhere, clock=SystemClock(), shutdown=Shutdown()) == 0


def test_a_checkpoint_may_be_a_url() -> None:
    def location(checkpoint: str) -> str:
        settings = StreamJobSettings(warehouse_url="none", state="/state", checkpoint=checkpoint)
        return settings.checkpoint_location

    assert location("s3://bucket/checkpoint/v1") == "s3://bucket/checkpoint/v1"
    assert location("/elsewhere") == "/elsewhere"
    assert location("") == "/state/checkpoint/events"


@pytest.fixture
def kinesis() -> Iterator[KinesisDouble]:
    with KinesisDouble() as double:
        yield double


@pytest.fixture
def told(
    kinesis: KinesisDouble,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """Runs the program in this process: its exit code, and what it says on standard error."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", kinesis.url)
    monkeypatch.setenv("HEADRACE_STATE", str(tmp_path))
    monkeypatch.setenv("HEADRACE_WAREHOUSE_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setattr(Shutdown, "install", Shutdown)  # signals stay pytest's

    def run(**variables: str) -> tuple[int, str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return program.main(), capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("variables", "code", "says"),
    [
        ({"HEADRACE_WAREHOUSE_URL": ""}, 2, "HEADRACE_WAREHOUSE_URL"),
        ({"JAVA_HOME": "/nowhere"}, 1, "no Java at /nowhere"),
        ({"HEADRACE_STREAM": "nosuch"}, 1, "nosuch"),
    ],
)
def test_what_is_wrong_at_the_start_is_said_in_one_line(
    told: Callable[..., tuple[int, str]], variables: dict[str, str], code: int, says: str
) -> None:
    ended, said = told(**variables)
    assert (ended, says in said, "Traceback" in said) == (code, True, False)


def test_a_health_port_in_use_is_named(told: Callable[..., tuple[int, str]]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, said = told(HEADRACE_HEALTH_PORT=str(taken.getsockname()[1]))
    assert (code, "HEADRACE_HEALTH_PORT" in said) == (1, True)
