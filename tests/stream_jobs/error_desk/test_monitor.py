from pathlib import Path

import pytest

from headrace.ops import metrics
from stream_jobs.error_desk.monitor import DeskMonitor
from stream_jobs.error_desk.status import StatusFile, forget_all
from tests.doubles.clock import ManualClock


@pytest.fixture
def monitor(tmp_path: Path, clock: ManualClock) -> DeskMonitor:
    monitor = DeskMonitor(clock, tmp_path, fleet=False)
    monitor.phase("running")
    return monitor


def records() -> float:
    return float(metrics.DESK_RECORDS._value.get())


def test_health_is_red_until_a_shard_is_read(
    monitor: DeskMonitor, tmp_path: Path, clock: ManualClock
) -> None:
    assert not monitor.health().ok
    StatusFile(tmp_path, "shard-1", 1, clock)
    assert monitor.health().ok
    forget_all(tmp_path)
    assert not monitor.health().ok


def test_a_worker_of_a_fleet_may_have_no_shard(tmp_path: Path, clock: ManualClock) -> None:
    monitor = DeskMonitor(clock, tmp_path, fleet=True)
    assert not monitor.health().ok
    monitor.phase("running")
    assert monitor.health().ok


def test_a_shards_trouble_is_the_desks(monitor: DeskMonitor, tmp_path: Path, clock: ManualClock) -> None:
    StatusFile(tmp_path, "shard-1", 1, clock)
    held_up = StatusFile(tmp_path, "shard-2", 2, clock)
    held_up.trouble("no connection to the warehouse")
    health = monitor.health()
    assert not health.ok
    assert health.detail["trouble"] == "no connection to the warehouse"
    assert metrics.DESK_HELD_UP._value.get() == 1
    held_up.trouble("")
    assert monitor.health().ok
    assert metrics.DESK_HELD_UP._value.get() == 0


def test_a_shard_of_which_nothing_is_heard_is_trouble(
    monitor: DeskMonitor, tmp_path: Path, clock: ManualClock
) -> None:
    silent, lively = (StatusFile(tmp_path, f"shard-{n}", n, clock) for n in (1, 2))
    clock.advance(61)
    lively.behind(0)
    assert monitor.health().detail["trouble"] == "nothing heard from shard-1"
    silent.behind(0)
    assert monitor.health().ok


def test_records_count_on_over_new_processes(
    monitor: DeskMonitor, tmp_path: Path, clock: ManualClock
) -> None:
    before = records()
    first = StatusFile(tmp_path, "shard-1", 1, clock)
    first.merged(10)
    monitor.gather()
    first.merged(5)
    monitor.gather()
    monitor.gather()
    StatusFile(tmp_path, "shard-1", 2, clock).merged(3)
    monitor.gather()
    assert records() - before == 18
    assert metrics.DESK_LAST_MERGE._value.get() == clock.now().timestamp()


def test_a_disk_that_cannot_be_written_stops_nothing(tmp_path: Path, clock: ManualClock) -> None:
    StatusFile(tmp_path / "missing", "shard-1", 1, clock).merged(1)
