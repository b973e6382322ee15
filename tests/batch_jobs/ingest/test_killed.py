"""`headrace batch ingest` as a process that is killed while it copies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from batch_jobs.ingest import ingest
from batch_jobs.manifest import inputs
from batch_jobs.storage import Storage
from tests.batch_jobs.ingest.loan_text import originations, performance, zipped
from tests.doubles.clock import ManualClock

PROGRAM = Path(sys.executable).parent / "headrace"


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.crash
def test_killed_in_mid_copy_it_leaves_nothing_that_a_rerun_trips_over(
    tmp_path: Path, clock: ManualClock
) -> None:
    members = {"orig_2005Q1.txt": originations(10), "perf_2005Q1.txt": performance(3_000) * 300}
    path = tmp_path / "q.zip"
    path.write_bytes(zipped(members))
    root = tmp_path / "root"
    environ = {**os.environ, "HEADRACE_STATE": str(tmp_path / "state"), "HEADRACE_BATCH_ROOT": str(root)}
    command = [str(PROGRAM), "batch", "ingest", str(path)]
    drafts = root / "raw" / "performance" / "2005Q1"
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: any(draft.stat().st_size for draft in drafts.glob("_*.new")))
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL
    assert [entry.name for entry in drafts.iterdir()] == [f"_draft.{process.pid}.new"]
    storage = Storage(str(root), {})
    assert (len(inputs(storage, "origination")), len(inputs(storage, "performance"))) == (1, 0)
    taken = ingest([path], storage, clock)
    assert [one.outcome for one in taken] == ["taken already", "new"]
    assert storage.read(taken[1].input.path) == members["perf_2005Q1.txt"]
    assert [entry.name for entry in drafts.iterdir()] == [f"{taken[1].input.sha256}.txt"]


def test_only_what_dead_processes_left_is_swept(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "q.zip"
    path.write_bytes(zipped({"orig_2005Q1.txt": originations()}))
    root = tmp_path / "root"
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(timeout=60)
    names = ("raw/origination/2005Q1/_draft", "manifests/performance/2006/_x.json")
    for name in names:
        for number in (process.pid, os.getppid()):
            draft = root / f"{name}.{number}.new"
            draft.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(b"half")
    ingest([path], Storage(str(root), {}), clock)
    left = {str(found.relative_to(root)) for found in root.rglob("_*")}
    assert left == {f"{name}.{os.getppid()}.new" for name in names}
