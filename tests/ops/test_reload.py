import signal
import threading
from collections.abc import Iterator

import pytest

from headrace.ops.reload import Reload


@pytest.fixture
def reload() -> Iterator[Reload]:
    before = signal.getsignal(signal.SIGHUP)
    yield Reload.install()
    signal.signal(signal.SIGHUP, before)


def test_a_hangup_asks_once_however_often_it_comes(reload: Reload) -> None:
    assert not reload.taken()
    for _ in range(3):
        signal.raise_signal(signal.SIGHUP)
    assert reload.taken()
    assert not reload.taken()


def test_a_hangup_that_comes_after_one_was_taken_asks_again(reload: Reload) -> None:
    signal.raise_signal(signal.SIGHUP)
    assert reload.taken()
    signal.raise_signal(signal.SIGHUP)
    assert reload.taken()


def test_a_hangup_never_waits_for_the_thread_that_asks(reload: Reload) -> None:
    stopping = threading.Event()

    def ask() -> None:
        while not stopping.is_set():
            reload.taken()

    asker = threading.Thread(target=ask)
    asker.start()
    for _ in range(2_000):
        signal.raise_signal(signal.SIGHUP)
    stopping.set()
    asker.join(20)
    assert not asker.is_alive()
