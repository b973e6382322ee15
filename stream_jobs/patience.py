"""Retries without limit what may succeed later, and says so."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from headrace.errors import RetryError
from headrace.ops.logs import get_logger

T = TypeVar("T")
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0


class Waits(Protocol):
    """What ends the waiting, such as a `Shutdown`."""

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; true when a stop is requested."""
        ...


class Told(Protocol):
    """Who is told what keeps the work from going on."""

    def trouble(self, text: str) -> None:
        """What it is; '' when it is over."""
        ...


class Stopped(Exception):
    """A stop was requested while waiting."""


def patiently(call: Callable[[], T], shutdown: Waits, monitor: Told) -> T:
    """The call's result, however long it takes; `/healthz` is red meanwhile.

    Raises Stopped when a stop is requested between two attempts, and whatever is no RetryError.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            result = call()
        except RetryError as error:
            monitor.trouble(str(error))
            get_logger().warning("waiting", why=str(error), seconds=pause)
            if shutdown.wait(pause):
                raise Stopped(str(error)) from error
            pause = min(_LONGEST_PAUSE, pause * 2)
        else:
            monitor.trouble("")
            return result
