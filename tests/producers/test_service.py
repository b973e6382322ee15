"""`python -m producers` as a service of systemd: what it says of itself, and what it is told."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest

from tests.doubles.kinesis import KinesisDouble
from tests.producers.processes import ROOT, environment
from tests.producers.received import access_lines, receive

CONFIG = """
[inputs.{name}]
source = "file"
paths = ["{log}"]
follow = true
"""


class Service:
    """A producer on a settings file, and the systemd that started it."""

    def __init__(self, kinesis: KinesisDouble, folder: Path) -> None:
        self.config = folder / "producers.toml"
        self._folder = folder
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._systemd.bind(str(folder / "notify"))
        self._systemd.settimeout(30)
        self._environ = environment(kinesis.url, folder / "spools") | {
            "HEADRACE_LOG_FORMAT": "json",
            "HEADRACE_EMF_SECONDS": "0.2",
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "500000",
        }
        self.logged: Queue[dict[str, object]] = Queue()
        self.metrics: list[dict[str, object]] = []

    def start(self, log: Path) -> None:
        self.config.write_text(CONFIG.format(name="web", log=log))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "producers", "--config", str(self.config)],
            env=self._environ,
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._readers = [threading.Thread(target=self._read_log), threading.Thread(target=self._read_metrics)]
        for reader in self._readers:
            reader.start()

    def heard(self, state: str) -> None:
        """Wait until it has said that."""
        while state not in self._systemd.recv(4096).decode().splitlines():
            pass

    def logs(self, event: str) -> None:
        """Wait until it has logged that."""
        while self.logged.get(timeout=30)["event"] != event:
            pass

    def end(self) -> int:
        """The exit code."""
        for reader in self._readers:
            reader.join(30)
        return self.process.wait(30)

    def close(self) -> None:
        self.process.kill()
        self.end()
        self._systemd.close()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.logged.put(json.loads(line))

    def _read_metrics(self) -> None:
        assert self.process.stdout is not None
        self.metrics += [json.loads(line) for line in self.process.stdout]


@pytest.fixture
def service(kinesis: KinesisDouble, tmp_path: Path) -> Iterator[Service]:
    made = Service(kinesis, tmp_path)
    log = tmp_path / "access.log"
    log.write_bytes(b"\n".join(access_lines(300)) + b"\n")
    made.start(log)
    yield made
    made.close()


@pytest.mark.crash
def test_a_service_says_when_it_is_ready_alive_and_stopping_and_reads_its_settings_again(
    service: Service, kinesis: KinesisDouble, tmp_path: Path
) -> None:
    service.heard("READY=1")
    service.heard("WATCHDOG=1")
    more = tmp_path / "more.log"
    more.write_bytes(b"\n".join(access_lines(200, 301)) + b"\n")
    service.config.write_text(service.config.read_text() + CONFIG.format(name="more", log=more))
    service.process.send_signal(signal.SIGHUP)
    service.logs("settings read again")
    for _ in range(20):
        service.heard("WATCHDOG=1")
        if len(receive(kinesis).events) == 500:
            break
    service.process.send_signal(signal.SIGTERM)
    service.heard("STOPPING=1")
    assert service.end() == 0
    received = receive(kinesis)
    assert sorted(len(received.numbers(source)) for source in received.statuses) == [200, 300]
    assert all(statuses[-1].closed for statuses in received.statuses.values())
    put = sum(float(str(each.get("UserRecordsPut", 0))) for each in service.metrics)
    assert put == 500
