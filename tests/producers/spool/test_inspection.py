"""What an operator sees of a spool, and that looking changes nothing."""

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.errors import SettingsError
from producers.quarantine import Quarantine
from producers.spool.export import Wanted, export
from producers.spool.inspection import holder, inspect, spools
from producers.spool.spool import Spool
from producers.spool.verification import verify
from tests.producers.spool.spools import fill, move_to_another_machine, open_spool


def event(minute: int) -> bytes:
    return b'{"time":"2026-11-21T12:%02d:00Z"}' % minute


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """30 records in several segments, 17 of them acknowledged, left by a stop."""
    opened = open_spool(tmp_path / "spool", segment_bytes=600)
    for start in range(0, 30, 3):
        fill(opened.life(), *map(event, range(start, start + 3)), start=start)
    opened.life().acknowledge(17)
    Quarantine(opened.quarantine).keep(b"x" * 1000)
    opened.close()
    return tmp_path / "spool"


def state_of(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes() if path.is_file() else b"")
        for path in directory.rglob("*")
    }


def test_a_report_says_what_is_on_disk_what_waits_and_how_far_inputs_are_read(spool: Path) -> None:
    report = inspect(spool)
    (life,) = report.lives
    assert (life.source, life.state, life.closed, life.damage) == (f"web-7/{life.ulid}", "open", None, None)
    assert (life.last, life.acknowledged, life.waiting) == (30, 17, 13)
    assert 1 < life.first <= 18
    assert life.segments == len(list(spool.glob("*/*.segment")))
    assert life.bytes == sum(path.stat().st_size for path in spool.glob("*/*.segment")) == report.bytes
    assert life.oldest_waiting == datetime(2026, 11, 21, 12, 17, tzinfo=UTC)
    assert life.positions == {"in": "30"}
    assert (report.waiting, report.quarantine_files, report.quarantine_bytes) == (13, 1, 1000)


def test_looking_changes_nothing(spool: Path) -> None:
    before = state_of(spool)
    inspect(spool)
    verify(spool)
    assert len(list(export(spool, Wanted()))) == 13
    assert state_of(spool) == before


def test_every_spool_below_a_folder_is_found_and_lives_and_quarantine_are_none(tmp_path: Path) -> None:
    for name in ("web", "api", "api/passing"):
        opened = open_spool(tmp_path / name)
        fill(opened.life(), b"{}")
        Quarantine(opened.quarantine).keep(b"x")
        opened.close()
    (tmp_path / "notes.txt").write_text("not a folder")
    found = [str(path.relative_to(tmp_path)) for path in spools(tmp_path)]
    assert found == ["api", "api/passing", "web"]
    assert spools(tmp_path / "web") == [tmp_path / "web"]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_a_spool_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=name):
        spools(tmp_path / name)


def test_a_producer_that_runs_is_named_and_not_disturbed(tmp_path: Path) -> None:
    opened = open_spool(tmp_path / "spool")
    assert holder(tmp_path / "spool") == os.getpid()
    opened.close()
    assert holder(tmp_path / "spool") is None


def test_a_life_says_why_it_was_closed_and_whether_it_was_born_here(spool: Path) -> None:
    move_to_another_machine(spool)
    assert [life.here for life in inspect(spool).lives] == [False]
    open_spool(spool).close()
    (life,) = inspect(spool).lives
    assert (life.state, life.closed) == ("closed", "found on another machine, or copied")


def test_a_damaged_life_file_and_a_damaged_tail_are_told(spool: Path) -> None:
    (life_file,) = spool.glob("*/life.json")
    life_file.write_bytes(b"garbage")
    (life,) = inspect(spool).lives
    assert life.damage == "its life file is damaged"
    assert (life.last, life.waiting) == (30, 13)


def test_all_of_it_works_while_a_producer_fills_sends_and_deletes(tmp_path: Path) -> None:
    opened = open_spool(tmp_path / "spool", segment_bytes=600)
    fill(opened.life(), event(0))
    stopping = threading.Event()
    producer = threading.Thread(target=_work, args=(opened, stopping))
    producer.start()
    try:
        for _ in range(60):
            report = inspect(tmp_path / "spool")
            assert [life.damage for life in report.lives] == [None]
            assert [f for f in verify(tmp_path / "spool").findings if f.damage] == []
            numbers = [exported.number for exported in export(tmp_path / "spool", Wanted())]
            assert numbers == sorted(set(numbers))
            assert all(exported.whole for exported in export(tmp_path / "spool", Wanted(waiting=False)))
    finally:
        stopping.set()
        producer.join()
        opened.close()


def _work(opened: Spool, stopping: threading.Event) -> None:
    life = opened.life()
    while not stopping.is_set():
        fill(life, *[event(n) for n in range(5)], start=life.spooled)
        if life.spooled > 40:
            life.acknowledge(life.spooled - 20)
