"""The demo as a person runs it: real processes, on a state folder of the test's own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.demo_input import EXAMPLE
from headrace.ops.clock import SystemClock
from infra.local import processes
from infra.local.state import State

pytestmark = [
    pytest.mark.stack,
    pytest.mark.spark,
    pytest.mark.xdist_group("demo"),  # one demo for all of them
]

PROGRAM = Path(sys.executable).parent / "headrace"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("demo")
    yield folder
    state = State(folder / ".headrace")
    for name in processes.names(state):
        processes.stop(state, name, SystemClock(), patience=10)


def headrace(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "AWS_"))}
    return subprocess.run(
        [PROGRAM, *arguments], cwd=folder, env=kept, capture_output=True, text=True, check=False, timeout=240
    )


def log(folder: Path, lines: int) -> str:
    path = folder / f"{lines}.log"
    path.write_bytes(b"".join(EXAMPLE.read_bytes().splitlines(keepends=True)[:lines]) + b"this is no line\n")
    return str(path)


@pytest.fixture(scope="module")
def demo(folder: Path) -> subprocess.CompletedProcess[str]:
    """A second demo, after one on another log."""
    first = headrace(folder, "demo", "--log", log(folder, 400))
    assert first.returncode == 0, first.stdout + first.stderr
    return headrace(folder, "demo", "--log", log(folder, 300), "--speed", "200")


def test_every_line_is_accounted_for_and_the_former_demo_is_forgotten(
    demo: subprocess.CompletedProcess[str],
) -> None:
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "balanced: every record is accounted for, exactly once" in demo.stdout
    line = next(line for line in demo.stdout.splitlines() if "windows" in line and "counted 300" in line)
    assert "sent 301  counted 300  rejected 1  lag 0" in line


def test_progress_was_shown_while_it_ran(demo: subprocess.CompletedProcess[str]) -> None:
    assert "first window on screen after" in demo.stdout
    assert demo.stdout.count("  sent ") >= 2
    assert "All 300 records of web_access.v1 count as late" in demo.stdout


def test_nothing_is_left_running(demo: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert "postgres: stopped" in demo.stdout
    parts = json.loads(headrace(folder, "status", "--json").stdout)
    assert not any(part["running"] for part in parts)


@pytest.mark.usefixtures("demo")
def test_the_state_stays_for_questions(folder: Path) -> None:
    asked = headrace(folder, "query", "SELECT sum(records) AS n FROM web_paths_5m", "--format", "csv")
    assert (asked.returncode, asked.stdout) == (0, "n\n300\n")
    assert headrace(folder, "reconcile").returncode == 0
    assert "2015-05-17" in headrace(folder, "windows", "web_visitors_15m").stdout
    rejected = headrace(folder, "query", "SELECT convert_from(raw, 'UTF8') FROM rejects", "--format", "csv")
    assert "this is no line" in rejected.stdout
    assert headrace(folder, "down").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "AWS_"))}
    with subprocess.Popen(
        [PROGRAM, "demo"],
        cwd=tmp_path,
        env=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "stream job: starting" in line:
                process.send_signal(number)
                break
        out, error = process.communicate(timeout=90)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert error.endswith("interrupted\n")
    assert "postgres: stopped" in out
    state = State(tmp_path / ".headrace")
    assert [name for name in processes.names(state) if processes.find(state, name)] == []
