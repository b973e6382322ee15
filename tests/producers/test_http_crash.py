"""A daemon that takes records over HTTP, a process of its own, killed again and again while clients post."""

import http.client
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from headrace.schemas.codec import Event, decode
from producers.spool.export import Wanted, export
from tests.doubles.kinesis import KinesisDouble
from tests.producers.processes import ROOT, environment, wait_for
from tests.producers.received import Received, receive
from tests.producers.sources.pushed import NDJSON, line, own

KILLS = 6


class Load(NamedTuple):
    """What the clients post; `rate` cuts large requests into several commits, which a kill may part."""

    clients: int
    requests: int
    records: tuple[int, int]
    rate: str = ""


MANY_SMALL = Load(clients=8, requests=60, records=(1, 6))
FEW_LARGE = Load(clients=3, requests=5, records=(1_500, 2_500), rate="6000")


class Daemon:
    """`python -m producers http` on one spool and one port."""

    def __init__(self, url: str, spool: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.spool = spool
        self._environ = environment(url, spool) | {
            "HEADRACE_TYPE": "web_access.v1",
            "HEADRACE_HTTP_PORT": str(self.port),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **environ: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "producers", "http"],
            env=self._environ | environ,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        _, said = self._process.communicate(timeout=30)
        assert self._process.returncode == 0, said.decode()


class Client(threading.Thread):
    """Posts its requests one after the other, each until it is answered with 202; answers may get lost."""

    def __init__(self, name: int, port: int, load: Load) -> None:
        super().__init__(daemon=True)
        self._name = name
        self._load = load
        self._random = random.Random(name)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.acknowledged: list[str] = []
        self.sent: list[str] = []
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        for request in range(self._load.requests):
            paths = [f"/{self._name}/{request}/{n}" for n in range(self._random.randint(*self._load.records))]
            self.sent += paths
            body = b"\n".join(map(line, paths))
            while not self._post(request, body):
                time.sleep(0.02)
            self.acknowledged += paths
        self._connection.close()

    def _post(self, request: int, body: bytes) -> bool:
        headers = {"Content-Type": NDJSON, "Idempotency-Key": f'"{self._name}-{request}"'}
        try:
            self._connection.request("POST", "/records", body, headers)
            if self._random.random() < 0.1:
                self._connection.close()
                time.sleep(self._random.random())  # the daemon may have been killed when it asks again
                return False
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return False
        self.statuses[answer.status] += 1
        return answer.status == 202


@pytest.fixture
def daemon(kinesis: KinesisDouble, tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(kinesis.url, tmp_path / "spool")
    yield made
    made.kill()


@pytest.mark.crash
@pytest.mark.parametrize("load", [MANY_SMALL, FEW_LARGE])
def test_killed_and_stopped_at_random_points_each_request_with_a_key_is_taken_once_and_no_202_is_a_lie(
    daemon: Daemon, kinesis: KinesisDouble, load: Load
) -> None:
    clients = [Client(name, daemon.port, load) for name in range(load.clients)]
    chance = random.Random(11)
    daemon.start(HEADRACE_RATE=load.rate)
    for client in clients:
        client.start()
    for turn in range(KILLS):
        wait_for(lambda: _post(daemon.port, b"") == 202)
        time.sleep(chance.random() * 0.4)
        daemon.stop() if turn % 3 == 2 else daemon.kill()
        acknowledged = {path for client in clients for path in client.acknowledged}
        assert acknowledged <= _on_disk(daemon.spool) | set(receive(kinesis).paths())
        daemon.start(HEADRACE_RATE=load.rate)
    for client in clients:
        client.join(timeout=60)
        assert not client.is_alive()
    daemon.stop()
    received = receive(kinesis)
    assert Counter(received.paths()) == Counter(path for client in clients for path in client.sent)
    assert received.conflicts == []
    assert set().union(*(client.statuses for client in clients)) <= {202, 503}
    _assert_no_gaps(received)


@pytest.mark.crash
def test_records_that_bring_their_own_numbers_keep_them_on_the_stream(
    daemon: Daemon, kinesis: KinesisDouble
) -> None:
    daemon.start()
    wait_for(lambda: _post(daemon.port, line("/ours")) == 202)
    body = b"\n".join(own(number, f"/{number}") for number in range(1, 41))
    assert [_post(daemon.port, body), _post(daemon.port, body)] == [202, 202]
    daemon.kill()
    daemon.start()
    wait_for(lambda: _post(daemon.port, line("/ours")) == 202)
    daemon.stop()
    received = receive(kinesis)
    assert received.numbers("till-4") == list(range(1, 41))
    assert received.conflicts == []
    assert received.paths().count("/ours") == 2
    assert "till-4" not in received.statuses


def _on_disk(spool: Path) -> set[str]:
    events = [decode(exported.record) for exported in export(spool, Wanted(waiting=False))]
    return {event.data.path for event in events if isinstance(event, Event)}


def _assert_no_gaps(received: Received) -> None:
    """Every source's numbers are 1, 2, ..., however often the daemon was killed."""
    sources = {source for source, _ in received.events}
    for source in sources:
        assert received.numbers(source) == list(range(1, len(received.numbers(source)) + 1))


def _post(port: int, body: bytes) -> int:
    """The status; 0 while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/records", body, {"Content-Type": NDJSON})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
