"""A producer never gives up: Kinesis refuses for hours, credentials end, the clock goes back."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint
from headrace.kinesis.signature import Keys
from headrace.ops.clock import SystemClock
from headrace.ops.shutdown import Shutdown
from producers import daemon
from producers.configuration import of_one
from producers.outlet import Outlet
from producers.progress import Progress
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import FailRecords, Fault, Refuse, Reset
from tests.producers.processes import ROOT
from tests.producers.test_torture import signup_line, signups, write
from tests.producers.torture import SEED, surroundings
from tests.producers.verdict import judge

COUNT = 5_000
REFUSALS: tuple[Fault, ...] = (
    Refuse("ServiceUnavailable", 503),
    Refuse("ProvisionedThroughputExceededException", 400),
    Reset(),
    FailRecords(),
    FailRecords(code="InternalFailure"),
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "input.ndjson"
    write(path, signups(COUNT))
    return path


def assert_all_in_order(kinesis: KinesisDouble) -> None:
    verdict = judge(kinesis.stream(), signup_line)
    assert verdict.line_counts == list(range(1, COUNT + 1)), str(verdict)
    assert verdict.lost == verdict.conflicts == verdict.inversions == verdict.astray == [], str(verdict)


def test_an_hour_of_refusals_costs_nothing_and_is_asked_through_with_pauses(clock: ManualClock) -> None:
    draw = random.Random(SEED)
    with KinesisDouble(clock) as kinesis:
        kinesis.create_stream("events", shards=4)
        endpoint = Endpoint(kinesis.url, "eu-west-1", lambda: Keys("AKID", "secret"))
        client = KinesisClient(endpoint, clock, connect_seconds=2, read_seconds=2)
        outlet = Outlet(client, "events", clock, draw.random, keyed=True)
        assert outlet.is_ready
        outlet.add(1, [b"%d" % n for n in range(1, 101)], [f"user-{n % 7}" for n in range(1, 101)])
        outlet.flush()
        kinesis.faults.follow("PutRecords", lambda: draw.choice(REFUSALS))
        done = pump(outlet, clock, clock.monotonic() + 3_600)
        assert (done, kinesis.records()) == ([], [])
        assert 200 < kinesis.calls.count("PutRecords") < 10_000
        kinesis.faults.clear()
        assert sorted(pump(outlet, clock, clock.monotonic() + 10)) == list(range(1, 101))
        outlet.close()
        client.close()


def pump(outlet: Outlet, clock: ManualClock, until: float) -> list[int]:
    """Put until that time; returns the numbers that were acknowledged."""
    done: list[int] = []
    while clock.monotonic() < until:
        done += [number for numbers in outlet.put() for number in numbers]
        if outlet.in_flight:
            outlet.wait(5.0)
        else:
            clock.advance(max(outlet.wait_seconds(), 0.01))
    return done


class Refusing:
    """Refuses so many calls, each in another way; the process is killed in the middle."""

    def __init__(self, kinesis: KinesisDouble, calls: int) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self._left = calls
        self._kill_at = calls // 2
        kinesis.faults.follow("PutRecords", self._refuse)

    def _refuse(self) -> Fault | None:
        self._left -= 1
        if self._left == self._kill_at and self.process is not None:
            self.process.kill()
        return REFUSALS[self._left % len(REFUSALS)] if self._left >= 0 else None


@pytest.mark.crash
def test_all_is_refused_for_a_while_through_a_kill_and_arrives_then(
    kinesis: KinesisDouble, log: Path, tmp_path: Path
) -> None:
    refusing = Refusing(kinesis, 12)
    environ = surroundings(kinesis.url, tmp_path / "spool")
    codes = []
    for _ in range(2):
        refusing.process = start(log, environ)
        _, said = refusing.process.communicate(timeout=120)
        codes.append(refusing.process.returncode)
    assert codes == [-9, 0], said.decode()
    assert_all_in_order(kinesis)


@pytest.mark.crash
def test_credentials_that_end_in_the_middle_are_waited_for_and_read_anew(
    kinesis: KinesisDouble, log: Path, tmp_path: Path
) -> None:
    kinesis.requests = []
    credentials = Credentials(tmp_path / "credentials", kinesis)
    environ = surroundings(kinesis.url, tmp_path / "spool")
    del environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"]
    environ |= {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"), "HOME": str(tmp_path)}
    process = start(log, environ, "--rate", 5_000)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said.decode()
    assert credentials.refused >= 6
    assert_all_in_order(kinesis)


class Credentials:
    """A file with a session token that ends after three requests; its successor comes after six refusals."""

    def __init__(self, path: Path, kinesis: KinesisDouble) -> None:
        self.refused = 0
        self._path = path
        self._kinesis = kinesis
        self._taken = 0
        self._write("first")
        kinesis.faults.follow("PutRecords", self._refuse)

    def _refuse(self) -> Fault | None:
        assert self._kinesis.requests is not None
        if self._kinesis.requests[-1].headers["x-amz-security-token"] == "second":
            return None
        self._taken += 1
        if self._taken <= 3:
            return None
        self.refused += 1
        if self.refused == 6:
            self._write("second")
        return Refuse("ExpiredTokenException", 400)

    def _write(self, token: str) -> None:
        keys = "aws_access_key_id = AKID\naws_secret_access_key = secret"
        self._path.write_text(f"[default]\n{keys}\naws_session_token = {token}\n")


def start(log: Path, environ: dict[str, str], *options: object) -> "subprocess.Popen[bytes]":
    command = ["-m", "producers", "file", str(log), "--format", "ndjson", *map(str, options)]
    return subprocess.Popen([sys.executable, *command], env=environ, cwd=ROOT, stderr=subprocess.PIPE)


class WrongClock(SystemClock):
    """Real but for the time of day."""

    off = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.off


@pytest.fixture
def produce_by(kinesis: KinesisDouble, tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Runs a producer on a clock to its end."""
    clients: list[KinesisClient] = []

    def run(log: Path, clock: WrongClock, tell: Callable[[Progress], None]) -> int:
        endpoint = Endpoint(kinesis.url, "eu-west-1", lambda: Keys("AKID", "secret"))
        clients.append(KinesisClient(endpoint, clock, connect_seconds=2, read_seconds=2))
        given = {"spool": str(tmp_path / "spool"), "paths": (str(log),), "format": "ndjson", "rate": 5_000.0}
        configuration = of_one("file", given, {})
        return daemon.run(configuration, clock, Shutdown(), tell=tell, client=clients[0])

    yield run
    for client in clients:
        client.close()


def test_a_clock_put_back_by_an_hour_under_a_service_that_minds_costs_nothing(
    produce_by: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    kinesis.check_signature_time = True
    clock = WrongClock()
    at: list[int] = []

    def turn_back(progress: Progress) -> None:
        if progress.acknowledged and not at:
            clock.off = timedelta(hours=-1)
            at.append(progress.acknowledged)

    assert produce_by(log, clock, turn_back) == 0
    assert 0 < at[0] < COUNT
    assert_all_in_order(kinesis)
