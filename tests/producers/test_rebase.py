"""A rebased log keeps one shift until it is read to its end, whatever stops the producer meanwhile."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from headrace.kinesis.client import KinesisClient
from headrace.ops.clock import SystemClock
from headrace.ops.shutdown import Shutdown
from producers import daemon
from producers.configuration import of_one
from producers.progress import Progress
from producers.reading.source import NOTHING_NOW, Chunk, Source
from producers.rebase import KeptShift, Rebased
from tests.doubles.kinesis import KinesisDouble
from tests.producers.processes import Producers, wait_for
from tests.producers.received import access_lines, receive

LATER = timedelta(hours=3)
Run = Callable[..., int]


class MovedClock(SystemClock):
    """Real time, but at another hour."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by


@pytest.fixture
def run(client: KinesisClient, tmp_path: Path) -> Run:
    """Runs a producer that rebases, in this process, at another hour; ends it at so many read lines."""

    def start(*paths: Path, by: timedelta = timedelta(0), until: int | None = None, **more: object) -> int:
        given = {"paths": tuple(map(str, paths)), "spool": str(tmp_path / "spool"), "rebase": "now"}
        shutdown = Shutdown()

        def tell(progress: Progress) -> None:
            if until is not None and progress.read >= until:
                shutdown.request("the test")

        configuration = of_one("file", given | more, {})
        return daemon.run(configuration, MovedClock(by), shutdown, tell=tell, client=client)

    return start


@pytest.mark.crash
def test_after_kill_9_the_rest_of_a_log_is_shifted_as_its_beginning_was(
    producers: Producers, run: Run, kinesis: KinesisDouble, log: Path
) -> None:
    process = producers.start("file", log, "--rebase", "now", "--rate", 1_000)
    wait_for(lambda: len(receive(kinesis).events) > 100)
    process.kill()
    process.wait()
    before = len(receive(kinesis).events)
    assert run(log, by=LATER) == 0
    received = receive(kinesis)
    assert before < len(received.events) == 3_000
    assert received.conflicts == []
    assert len({event.time for event in received.events.values()}) == 1


def test_a_replay_that_was_stopped_goes_on_with_its_shift(
    run: Run, kinesis: KinesisDouble, log: Path, tmp_path: Path
) -> None:
    assert run(log, rate=2_000.0, until=200) == 0
    assert (tmp_path / "spool/rebase.json").exists()
    assert run(log, by=LATER) == 0
    received = receive(kinesis)
    assert len(received.events) == 3_000
    assert len({event.time for event in received.events.values()}) == 1


def test_once_all_is_read_the_shift_is_forgotten(
    run: Run, kinesis: KinesisDouble, log: Path, tmp_path: Path
) -> None:
    assert run(log) == 0
    assert not (tmp_path / "spool/rebase.json").exists()
    with log.open("ab") as file:
        file.write(b"\n".join(access_lines(10, 3_001)) + b"\n")
    assert run(log, by=-LATER) == 0
    later, earlier = sorted({event.time for event in receive(kinesis).events.values()}, reverse=True)
    assert later - earlier == LATER


def test_other_files_get_a_shift_of_their_own(
    run: Run, kinesis: KinesisDouble, log: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.log"
    other.write_bytes(b"\n".join(access_lines(10, 5_001)) + b"\n")
    assert run(log, rate=2_000.0, until=200) == 0
    assert run(other, by=-LATER) == 0
    assert len({event.time for event in receive(kinesis).events.values()}) == 2


def test_a_shift_is_kept_until_it_is_forgotten(tmp_path: Path) -> None:
    kept = KeptShift(tmp_path, ["a.log"])
    assert kept.get(lambda: timedelta(hours=-5)) == timedelta(hours=-5)
    again = KeptShift(tmp_path, ["a.log"])
    assert again.get(lambda: LATER) == timedelta(hours=-5)
    again.forget()
    again.forget()
    assert kept.get(lambda: LATER) == LATER


def test_a_damaged_file_is_no_shift(tmp_path: Path) -> None:
    (tmp_path / "rebase.json").write_text("{")
    assert KeptShift(tmp_path, ["a.log"]).get(lambda: LATER) == LATER


class Lines(Source):
    """Gives one line, nothing for once, and ends."""

    def __init__(self) -> None:
        self._chunks = [Chunk("a", [b"x"], [b"1"]), NOTHING_NOW]

    def read(self) -> Chunk | None:
        return self._chunks.pop(0) if self._chunks else None

    def close(self) -> None:
        self._chunks = []


def test_the_shift_outlives_what_is_read_but_not_on_disk(tmp_path: Path) -> None:
    kept = KeptShift(tmp_path, ["a.log"])
    kept.get(lambda: LATER)
    source = Rebased(Lines(), kept)
    while source.read() is not None:
        pass
    source.close()
    assert (tmp_path / "rebase.json").exists()
    source.committed()
    assert not (tmp_path / "rebase.json").exists()


def test_the_shift_outlives_what_is_on_disk_but_not_read_to_the_end(tmp_path: Path) -> None:
    kept = KeptShift(tmp_path, ["a.log"])
    kept.get(lambda: LATER)
    source = Rebased(Lines(), kept)
    source.read()
    source.committed()
    source.close()
    assert (tmp_path / "rebase.json").exists()
