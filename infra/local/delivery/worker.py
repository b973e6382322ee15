"""One delivery in a thread of its own: patient with services that are away, drained at a stop."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from headrace.errors import ArchiveRefused, KinesisNotFound, RetryError, StreamRecreated
from headrace.ops.clock import Clock
from headrace.ops.logs import get_logger
from headrace.ops.shutdown import Shutdown
from infra.local.delivery.engine import DeliveryStream
from infra.local.delivery.monitor import Monitor

WAITED_FOR = (RetryError, ArchiveRefused, KinesisNotFound)
"""A bucket that refuses, and a stream that is not there, are waited for too, as the service does."""

T = TypeVar("T")
_IDLE_SECONDS = 0.25
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0


class Worker:
    """Runs one delivery. `failure` is what ended it, if no stop did.

    Args:
        stream: its name.
        begin: opens it anew, from its checkpoint.
        feeders: workers whose function may still put records on this stream: they are drained first.
        drain_seconds: how long that and its own draining may take.
    """

    def __init__(
        self,
        stream: str,
        begin: Callable[[], DeliveryStream],
        *,
        feeders: Sequence["Worker"],
        monitor: Monitor,
        shutdown: Shutdown,
        clock: Clock,
        drain_seconds: float,
    ) -> None:
        self.failure: BaseException | None = None
        self._stream = stream
        self._begin = begin
        self._feeders = feeders
        self._monitor = monitor
        self._shutdown = shutdown
        self._clock = clock
        self._drain_seconds = drain_seconds
        self._pause = _FIRST_PAUSE
        self._until = 0.0  # when the time for draining is up, once a stop is requested
        self._log = get_logger(stream=stream)
        self._thread = threading.Thread(target=self._run, name=f"delivery-{stream}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

    @property
    def is_done(self) -> bool:
        """Whether it has come to its end."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            delivery: DeliveryStream | None = None
            while not self._is_to_drain():
                delivery = self._go_on(delivery)
            if delivery is not None:
                self._drain(delivery)
        except BaseException as error:  # noqa: BLE001  kept for the process, which ends by it
            self.failure = error
            self._shutdown.request(f"the delivery of {self._stream} failed")

    def _is_to_drain(self) -> bool:
        """The time runs from the request on, also while the feeders drain."""
        if not self._shutdown.requested():
            return False
        self._until = self._until or self._clock.monotonic() + self._drain_seconds
        return all(feeder.is_done for feeder in self._feeders)

    def _go_on(self, delivery: DeliveryStream | None) -> DeliveryStream | None:
        if delivery is None:
            return self._try(self._begin)
        try:
            moved = self._try(delivery.step)
        except StreamRecreated as error:
            self._log.warning("the stream is another one", why=str(error))
            if not self._flush(delivery, lambda: not self._shutdown.requested()):
                self._log.error("the last records of the old stream could not be written")
            return None
        if moved is False:
            self._wait(_IDLE_SECONDS)
        self._monitor.age(self._stream, delivery.oldest_ms)
        return delivery

    def _drain(self, delivery: DeliveryStream) -> None:
        """Read to the end of the stream, for half of the time at most, and write everything."""
        until = self._until
        with suppress(StreamRecreated):  # the next start reads the new one
            while self._clock.monotonic() < until - self._drain_seconds / 2 and self._try(delivery.step):
                pass
        if not self._flush(delivery, lambda: self._clock.monotonic() < until):
            self._log.warning("not everything could be written: the next start delivers the rest")

    def _flush(self, delivery: DeliveryStream, patient: Callable[[], bool]) -> bool:
        """Write everything, however often it takes while there is patience, at least once."""

        def write() -> bool:
            delivery.flush()
            return True

        while not (done := self._try(write)) and patient():
            pass
        return bool(done)

    def _try(self, call: Callable[[], T]) -> T | None:
        """The call's result; None, after a pause, when a service is away."""
        try:
            result = call()
        except WAITED_FOR as error:
            if self._pause == _FIRST_PAUSE:
                self._log.warning("held up", why=str(error))
            self._monitor.trouble(self._stream, str(error))
            self._wait(self._pause)
            self._pause = min(_LONGEST_PAUSE, self._pause * 2)
            return None
        self._pause = _FIRST_PAUSE
        self._monitor.trouble(self._stream, "")
        return result

    def _wait(self, seconds: float) -> None:
        """A stop cuts it short, but not to nothing."""
        if self._shutdown.wait(seconds):
            self._clock.sleep(min(seconds, _IDLE_SECONDS))
