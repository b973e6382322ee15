"""The shard's process as the daemon starts it: its pipes, its exit codes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.producers.processes import ROOT
from tests.stream_jobs.error_desk.rejects import rejected
from tests.stream_jobs.error_desk.stand_in import ChildEnded, StandIn

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("error_desk")]

NOISY = """
import os, sys
from stream_jobs.error_desk import processor, shard
quiet = shard.placed
def noisy(*arguments):
    print('{"action": "status", "responseFor": "processRecords"}', flush=True)
    os.write(1, b"from a library in C\\n")
    return quiet(*arguments)
shard.placed = noisy
sys.exit(processor.main())
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts the process; none outlives the test."""
    (tmp_path / "error_desk").mkdir()
    started: list[subprocess.Popen[str]] = []
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HEADRACE_WAREHOUSE_URL": url,
        "HEADRACE_STATE": str(tmp_path),
    }

    def run(*program: str, **changes: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, *(program or ("-m", "stream_jobs.error_desk.processor")), "errors@1"],
            env=environ | changes,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def stand_in(process: "subprocess.Popen[str]") -> StandIn:
    assert process.stdin
    assert process.stdout
    return StandIn(process.stdin, process.stdout)


def test_nothing_but_the_protocol_is_on_stdout(
    start: Start, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    process = start("-c", NOISY)
    daemon = stand_in(process).initialize()
    daemon.deliver(rejected(1))
    assert daemon.call("shutdownRequested") == [(f"{1:021d}", 0)]
    _, said = process.communicate()
    assert process.returncode == 0
    assert daemon.skipped == []
    assert "from a library in C" in said
    assert sql("SELECT count(*) FROM rejects") == [(1,)]


def test_a_failing_process_exits_with_1_and_tells_neither_password_nor_record(
    start: Start, url: str, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    process = start()
    daemon = stand_in(process).initialize()
    sql("ALTER TABLE rejects ADD CHECK (raw IS NULL)")
    with pytest.raises(ChildEnded):
        daemon.deliver(b"a secret of somebody")
    _, said = process.communicate()
    assert process.returncode == 1
    assert "WarehouseRefused" in said
    assert "secret" not in said
    assert b"secret".hex() not in said
    assert url.partition("@")[0].rpartition(":")[2] not in said


def test_without_its_settings_it_does_not_start(start: Start) -> None:
    process = start(HEADRACE_WAREHOUSE_URL="")
    with pytest.raises(ChildEnded):
        stand_in(process).initialize()
    assert process.wait(20) == 2
