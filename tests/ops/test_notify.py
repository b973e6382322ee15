import os
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from headrace.ops.notify import Notifier


class Systemd:
    """Receives what a service says."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def heard(self) -> list[str]:
        heard = []
        while True:
            try:
                heard.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return heard


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@headrace-test-{os.getpid()}"


@pytest.fixture
def systemd(address: str) -> Iterator[Systemd]:
    made = Systemd(address)
    yield made
    made.socket.close()


def test_each_state_is_one_datagram(systemd: Systemd, address: str) -> None:
    notifier = Notifier.of({"NOTIFY_SOCKET": address}, pid=1)
    notifier.ready("3 inputs")
    notifier.reloading(12.5)
    notifier.ready()
    notifier.status("held up:\nKinesis is away")
    notifier.stopping("draining")
    assert systemd.heard() == [
        "READY=1\nSTATUS=3 inputs",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "READY=1",
        "STATUS=held up: Kinesis is away",
        "STOPPING=1\nSTATUS=draining",
    ]


def test_the_watchdog_is_fed_often_enough_and_not_more(systemd: Systemd, address: str) -> None:
    notifier = Notifier.of(
        {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "42"}, pid=42
    )
    fed = []
    for tenth in range(200):
        notifier.alive(tenth / 10)
        fed += [tenth / 10] * len(systemd.heard())
    assert fed[0] == 0
    assert max(later - earlier for earlier, later in pairwise(fed)) <= 5
    assert len(fed) < 10


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "7"}],
)
def test_a_watchdog_that_is_not_ours_is_not_fed(
    systemd: Systemd, address: str, environ: dict[str, str]
) -> None:
    Notifier.of({"NOTIFY_SOCKET": address, **environ}, pid=42).alive(0.0)
    assert systemd.heard() == []


@pytest.mark.parametrize("variables", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/no/such/socket"}])
def test_without_systemd_nothing_happens(variables: dict[str, str]) -> None:
    notifier = Notifier.of({"WATCHDOG_USEC": "1000000", **variables}, pid=1)
    notifier.ready("ready")
    notifier.alive(0.0)
    notifier.stopping()
