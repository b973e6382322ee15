"""A producer on a disk that cannot be written, and with a clock that goes back by hours."""

import errno
import io
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from headrace.errors import SpoolUnusable
from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint
from headrace.kinesis.signature import Keys
from headrace.ops.clock import SystemClock
from headrace.ops.shutdown import Shutdown
from producers import daemon
from producers.configuration import of_one
from producers.progress import Progress
from producers.spool.export import Wanted, as_ndjson, export
from producers.spool.inspection import inspect
from tests.doubles.kinesis import KinesisDouble
from tests.producers.received import access_lines, assert_all_arrived, receive
from tests.producers.sources.pushed import ask

ROOT = Path(__file__).parents[2]
Produce = Callable[..., int]


class WrongClock(SystemClock):
    """Real but for the time of day, which is off by as much as one likes."""

    off = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.off


@pytest.fixture
def clock() -> WrongClock:
    return WrongClock()


@pytest.fixture
def produce_by(kinesis: KinesisDouble, clock: WrongClock, tmp_path: Path) -> Iterator[Produce]:
    """Runs a producer on that clock to its end."""
    endpoint = Endpoint(kinesis.url, "eu-west-1", lambda: Keys("AKID", "secret"))
    client = KinesisClient(endpoint, clock, connect_seconds=2, read_seconds=2)

    def run(
        log: Path,
        tell: Callable[[Progress], None] = lambda _: None,
        shutdown: Shutdown | None = None,
        **settings: object,
    ) -> int:
        given = {"spool": str(tmp_path / "spool"), "name": "web-7", "paths": (str(log),)}
        configuration = of_one("file", given | settings, {})
        return daemon.run(configuration, clock, shutdown or Shutdown(), tell=tell, client=client)

    yield run
    client.close()


def test_a_clock_that_goes_back_by_hours_in_the_middle_changes_nothing(
    produce_by: Produce, clock: WrongClock, kinesis: KinesisDouble, log: Path
) -> None:
    kinesis.faults.record_failure = 0.1
    statuses: list[int] = []

    def turn_back(progress: Progress) -> None:
        if progress.acknowledged and not statuses:
            clock.off = timedelta(hours=-5)
            statuses.append(sum(map(len, receive(kinesis).statuses.values())))

    assert produce_by(log, turn_back, rate=4_000.0, status_seconds=0.05) == 0
    assert_all_arrived(kinesis)
    (said,) = receive(kinesis).statuses.values()
    assert len(said) > statuses[0] + 3


def test_a_source_that_begins_at_an_earlier_time_of_day_still_comes_after_the_one_before(
    produce_by: Produce, clock: WrongClock, kinesis: KinesisDouble, log: Path, tmp_path: Path
) -> None:
    assert produce_by(log) == 0
    clock.off = timedelta(hours=-5)
    log.write_bytes(log.read_bytes() + b"\n".join(access_lines(100, 3_001)) + b"\n")
    kinesis.down()
    shutdown = Shutdown()

    def stop(progress: Progress) -> None:
        if progress.waiting == 100:
            shutdown.request("the test")

    assert produce_by(log, stop, shutdown, drain_seconds=0.0) == 0
    first, second = inspect(tmp_path / "spool").lives
    assert (first.state, second.state, second.waiting) == ("reported", "open", 100)
    kinesis.up()
    log.write_bytes(log.read_bytes() + b"\n".join(access_lines(100, 3_101)) + b"\n")
    assert produce_by(log) == 0
    received = receive(kinesis)
    assert {source: len(received.numbers(source)) for source in received.statuses} == {
        first.source: 3_000,
        second.source: 200,
    }
    assert sorted(path or "" for path in received.paths()) == sorted(f"/{n}" for n in range(1, 3_201))


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody can write to, root included."""
    path = tmp_path / "read-only"
    path.mkdir()
    done = [
        subprocess.run(["mount", *options, str(path)], check=False, capture_output=True).returncode == 0
        for options in (["--bind", str(path)], ["-o", "remount,bind,ro"])
    ]
    if all(done):
        yield path
    if done[0]:
        subprocess.run(["umount", "-l", path], check=True)
    if not all(done):
        pytest.skip("no right to mount here")


@pytest.mark.crash
@pytest.mark.parametrize("spool", ["new", "."])
def test_a_read_only_spool_is_refused_in_one_line_that_says_what_to_do(
    kinesis: KinesisDouble, read_only: Path, log: Path, spool: str
) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "AWS_DEFAULT_REGION": "eu-west-1"}
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": kinesis.url}
    command = [sys.executable, "-m", "producers", "file", str(log), "--spool", str(read_only / spool)]
    done = subprocess.run(
        command, env=environ | keys, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("producer: ")]
    assert line.startswith(f"producer: spool {read_only / spool}: ")
    assert "Read-only file system" in line
    assert "Mend the disk or name another place" in line
    assert "Traceback" not in done.stderr


def test_a_spool_that_turns_read_only_ends_the_producer_and_costs_nothing(
    produce: Produce, kinesis: KinesisDouble, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:

        def turn(progress: Progress) -> None:
            if progress.acknowledged:
                patch.setattr("os.pwrite", fail)

        with pytest.raises(SpoolUnusable, match="Read-only file system"):
            produce(log, tell=turn, rate=4_000.0)
    assert 0 < len(receive(kinesis).events) < 3_000
    assert produce(log) == 0
    assert_all_arrived(kinesis)


def test_a_disk_that_is_full_before_the_first_record_is_waited_for(
    produce: Produce, kinesis: KinesisDouble, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems: list[str] = []

    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("producers.spool.segment.write_durably", full)
        patch.setattr("producers.spool.identity.write_durably", full)

        def mend(progress: Progress) -> None:
            if progress.problem and not problems:
                problems.append(progress.problem)
                patch.undo()

        assert produce(log, tell=mend) == 0
    assert "no room on the disk" in problems[0]
    assert_all_arrived(kinesis)


def test_a_rescued_spool_is_sent_from_another_place_by_a_producer_with_nothing_to_read(
    produce: Produce, kinesis: KinesisDouble, log: Path, tmp_path: Path
) -> None:
    kinesis.down()
    shutdown = Shutdown()

    def stop(progress: Progress) -> None:
        if progress.waiting == 3_000:
            shutdown.request("the test")

    assert produce(log, tell=stop, shutdown=shutdown, drain_seconds=0.0) == 0
    shutil.copytree(tmp_path / "spool", tmp_path / "rescued")
    kinesis.up()
    nothing = tmp_path / "empty.log"
    nothing.touch()
    assert produce(nothing, spool=str(tmp_path / "rescued"), name="rescuer") == 0
    assert_all_arrived(kinesis)


def test_exported_records_are_posted_as_they_are_and_nothing_counts_twice(
    produce: Produce, kinesis: KinesisDouble, log: Path, tmp_path: Path
) -> None:
    kinesis.down()
    stopping = Shutdown()

    def stop(progress: Progress) -> None:
        if progress.waiting == 3_000:
            stopping.request("the test")

    assert produce(log, tell=stop, shutdown=stopping, drain_seconds=0.0) == 0
    lines = io.BytesIO()
    assert all(as_ndjson(lines, record) for record in export(tmp_path / "spool", Wanted()))
    kinesis.up()
    post(lines.getvalue().splitlines(keepends=True), produce, tmp_path / "import")
    received = receive(kinesis)
    assert received.paths() == [f"/{n}" for n in range(1, 3_001)]
    assert received.statuses == {}  # whose numbers these are is for their own producer to say
    assert produce(log) == 0  # the spool was not lost after all, and is sent too
    assert_all_arrived(kinesis)
    assert set(receive(kinesis).copies.values()) == {2}


def post(lines: list[bytes], produce: Produce, spool: Path) -> None:
    """Give lines to an HTTP input, a thousand a request, and let it send them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    posted, done = threading.Event(), Shutdown()

    def client() -> None:
        for start in range(0, len(lines), 1_000):
            answer = ask(port, body=b"".join(lines[start : start + 1_000]))
            assert answer.status == 202, answer.body
        done.request("all is posted")

    poster = threading.Thread(target=client)

    def tell(_: Progress) -> None:
        if not posted.is_set():
            posted.set()
            poster.start()

    try:
        assert produce(source="http", tell=tell, shutdown=done, port=port, paths=None, spool=str(spool)) == 0
    finally:
        done.request("the test is over")
        poster.join()
