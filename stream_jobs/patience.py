"""Retries without limit what may succeed later, and says so."""

from collections.abc import Callable
from typing import TypeVar

from headrace.errors import RetryError
from headrace.ops.logs import get_logger
from headrace.ops.shutdown import Shutdown
from stream_jobs.monitor import Monitor

T = TypeVar("T")
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0


class Stopped(Exception):
    """A stop was requested while waiting."""


def patiently(call: Callable[[], T], shutdown: Shutdown, monitor: Monitor) -> T:
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
