"""`headrace demo` as a person runs it: two that are interrupted, and one with a whole real log after them."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.ops.clock import SystemClock
from infra.local import processes
from infra.local.state import State
from tests.e2e.laptop import Laptop
from tests.e2e.truth import Truth
from tests.e2e.windows import assert_windows_equal

pytestmark = [
    pytest.mark.stack,
    pytest.mark.spark,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("demo"),  # one demo for all of them
]

PROGRAM = Path(sys.executable).parent / "headrace"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a person stands; the state comes to lie below it."""
    folder = tmp_path_factory.mktemp("demo")
    yield folder
    state = State(folder / ".headrace")
    for name in processes.names(state):
        processes.stop(state, name, SystemClock(), patience=10)


@pytest.fixture(scope="module")
def laptop(folder: Path) -> Laptop:
    """Asks about that state."""
    return Laptop(folder / ".headrace")


def kept() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "AWS_"))}


def headrace(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments],
        cwd=folder,
        env=kept(),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def interrupt(folder: Path, number: signal.Signals, at: str, *options: str) -> None:
    """Start a demo, interrupt it once it says so, and hold it to its promises."""
    with subprocess.Popen(
        [PROGRAM, "demo", *options],
        cwd=folder,
        env=kept(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if at in line:
                process.send_signal(number)
                break
        out, error = process.communicate(timeout=90)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert error.endswith("interrupted\n")
    assert "postgres: stopped" in out
    state = State(folder / ".headrace")
    assert [name for name in processes.names(state) if processes.find(state, name)] == []


@pytest.fixture(scope="module")
def former(folder: Path, log: Path) -> None:
    """A demo on another log that was interrupted when it had counted some of it."""
    other = folder / "other.log"
    other.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[-2_000:]) + b"this is no line\n")
    interrupt(folder, signal.SIGINT, "first window on screen", "--log", str(other), "--speed", "50")


@pytest.fixture(scope="module")
def demo(folder: Path, former: None, log: Path) -> subprocess.CompletedProcess[str]:  # noqa: ARG001  comes first
    """The whole log, after the former demo."""
    return headrace(folder, "demo", "--log", str(log), "--speed", "2000")


def test_a_demo_that_is_interrupted_at_its_start_leaves_nothing_running(tmp_path: Path) -> None:
    interrupt(tmp_path, signal.SIGTERM, "stream job: starting")


@pytest.mark.usefixtures("former")
def test_nor_does_one_that_is_interrupted_while_it_counts(laptop: Laptop) -> None:
    (row,) = laptop.rows("select counted, closed from ledger")
    assert 0 < int(row["counted"]) < 2_000
    assert not row["closed"]


def test_every_line_is_accounted_for_and_the_former_demo_is_forgotten(
    demo: subprocess.CompletedProcess[str], truth: Truth
) -> None:
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "balanced: every record is accounted for, exactly once" in demo.stdout
    good = f"{truth.good():,}"
    line = next(line for line in demo.stdout.splitlines() if "windows" in line and f"counted {good}" in line)
    assert f"sent {truth.good() + 1:,}  counted {good}  rejected 1  lag 0" in line


def test_progress_was_shown_while_it_ran(demo: subprocess.CompletedProcess[str], truth: Truth) -> None:
    assert "first window on screen after" in demo.stdout
    assert demo.stdout.count("  sent ") >= 2
    assert f"All {truth.good():,} records of web_access.v1 count as late" in demo.stdout


def test_nothing_is_left_running(demo: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert "postgres: stopped" in demo.stdout
    parts = json.loads(headrace(folder, "status", "--json").stdout)
    assert not any(part["running"] for part in parts)


@pytest.mark.usefixtures("demo")
def test_the_demo_counts_every_line_of_a_real_log_and_its_proof_holds_afterwards(
    laptop: Laptop, truth: Truth
) -> None:
    assert_windows_equal(laptop, truth)
    rejected = laptop.rows("select code, stage, encode(raw, 'base64') as raw from rejects")
    assert [base64.b64decode(row["raw"]).decode() for row in rejected] == truth.unreadable()
    assert {(row["stage"], row["code"]) for row in rejected} == {("producer", "unparsable_line")}
    report = laptop.reconcile("--all", code=0)
    (source,) = report["sources"]
    counts = {name: source[name] for name in ("sent", "counted", "rejected", "missing", "in_flight")}
    assert counts == {
        "sent": truth.good() + 1,
        "counted": truth.good(),
        "rejected": 1,
        "missing": 0,
        "in_flight": 0,
    }


@pytest.mark.usefixtures("demo")
def test_the_state_stays_for_questions(folder: Path, truth: Truth) -> None:
    asked = headrace(folder, "query", "SELECT sum(records) AS n FROM web_paths_5m", "--format", "csv")
    assert (asked.returncode, asked.stdout) == (0, f"n\n{truth.good()}\n")
    assert headrace(folder, "reconcile").returncode == 0
    assert "2015-05-20" in headrace(folder, "windows", "web_visitors_15m").stdout
    assert headrace(folder, "down").returncode == 0
