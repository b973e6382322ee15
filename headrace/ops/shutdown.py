"""A request to stop: from a signal, or from the process itself."""

import os
import signal
import threading
from types import FrameType


class Shutdown:
    """Becomes requested once and stays so; every loop asks it.

    A second signal ends the process at once, for a person who will not wait for the drain.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason = ""

    @classmethod
    def install(cls) -> "Shutdown":
        """A shutdown that SIGTERM and SIGINT request; call it in the main thread."""
        shutdown = cls()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, shutdown._on_signal)
        return shutdown

    def requested(self) -> bool:
        """Whether to stop."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; true when a stop is requested."""
        return self._event.wait(seconds)

    def request(self, reason: str) -> None:
        """Ask to stop; the first reason stays."""
        self.reason = self.reason or reason
        self._event.set()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._event.is_set():
            os._exit(128 + number)
        self.request(signal.Signals(number).name)
