"""A way back that is killed anywhere, and run again, leaves the numbers of one that was not."""

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from headrace.warehouse.probe import AFTER_COMMIT, BEFORE_COMMIT
from stream_jobs.replay.candidates import Origin
from tests.stream_jobs.replay.mill import Mill, access, heal, spoiled

pytestmark = [pytest.mark.stack, pytest.mark.crash, pytest.mark.xdist_group("replay")]

RECORDS = 1200  # three requests
Query = Callable[..., list[tuple[Any, ...]]]


def killed(mill: Mill, point: str, visit: int) -> int:
    """How a way back in a process of its own ended."""
    program = [sys.executable, "-m", "tests.stream_jobs.replay.dying"]
    arguments = [mill.url, mill.kinesis.url, point, str(visit)]
    return subprocess.run([*program, *arguments], check=False, timeout=60).returncode


@pytest.mark.parametrize(
    ("point", "visit", "again"), [("after_put", 3, 200), (BEFORE_COMMIT, 2, 500), (AFTER_COMMIT, 2, 0)]
)
def test_killed_between_any_two_steps_and_run_again_every_number_counts_once(
    mill: Mill, query: Query, point: str, visit: int, again: int
) -> None:
    for number in range(1, RECORDS + 1):
        mill.kinesis.put("events", spoiled(number))
    mill.kinesis.put("events", access(RECORDS + 1))
    mill.grind()
    assert killed(mill, point, visit) == -signal.SIGKILL
    assert query("SELECT COUNT(*) FROM rejects WHERE replayed_at IS NULL") != [(0,)]
    mill.way_back(origins=[Origin.WAREHOUSE], mend=heal)
    put = len(mill.kinesis.records()) - RECORDS - 1
    assert put == RECORDS + again, "what was put and not marked, and nothing else, is put again"
    mill.grind()
    state = mill.state()
    assert state["ranges"] == [("web-1/A", "counted", 1, RECORDS + 1)]
    total = (RECORDS + 1) * (RECORDS + 2) // 2
    assert [row[2:] for row in state["windows"]] == [(RECORDS + 1, total)]
    assert mill.way_back().codes == {}
