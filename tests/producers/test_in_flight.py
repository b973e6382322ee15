"""Calls under way: begun and settled by one thread, made by others."""

import threading

import pytest

from headrace.errors import KinesisRefused, KinesisUnavailable
from producers.in_flight import InFlight


def fail(error: BaseException) -> None:
    raise error


def settle_twice(calls: InFlight) -> None:
    calls.settle()
    calls.settle()


def test_calls_are_made_at_once_and_settled_in_the_thread_that_began_them() -> None:
    calls, together = InFlight(3), threading.Barrier(3)
    settled: list[tuple[int, int]] = []

    def then(answer: int) -> None:
        settled.append((answer, threading.get_ident()))

    for _ in range(3):
        calls.begin(lambda: together.wait(5), then, fail)
    assert (calls.count, calls.free) == (3, 0)
    while calls.count:
        calls.wait(5)
        calls.settle()
    assert sorted(settled) == [(n, threading.get_ident()) for n in range(3)]
    assert calls.free == 3
    calls.close()


def test_an_exception_is_handed_over_and_what_that_raises_leaves_the_others_for_the_next_time() -> None:
    calls, settled = InFlight(2), list[str]()
    calls.begin(lambda: fail(KinesisRefused("no")), lambda _: None, fail)
    calls.begin(
        lambda: fail(KinesisUnavailable("later")), lambda _: None, lambda error: settled.append(str(error))
    )
    calls.close()
    with pytest.raises(KinesisRefused):
        settle_twice(calls)
    calls.settle()
    assert settled == ["later"]
    assert calls.count == 0


def test_a_wait_is_ended_from_another_thread() -> None:
    calls = InFlight(1)
    waker = threading.Thread(target=calls.wake)
    waker.start()
    calls.wait(60)
    waker.join()
    calls.settle()
    assert calls.count == 0


def test_close_waits_for_what_is_under_way() -> None:
    calls, release, settled = InFlight(1), threading.Event(), list[bool]()
    calls.begin(lambda: release.wait(5), settled.append, fail)
    threading.Timer(0.05, release.set).start()
    calls.close()
    calls.settle()
    assert settled == [True]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("put ")]
