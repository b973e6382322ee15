"""Runs the sender beside the reader."""

import threading

from headrace.errors import SpoolFull
from producers.sender import Sender

_LONGEST_WAIT_SECONDS = 0.25
_JOIN_SECONDS = 35.0  # a request may be waiting for its time-out


class SenderThread:
    """`failure` is what ended it, if not `stop`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self.failure: BaseException | None = None
        self.steps = 0
        """Grows while the thread lives and works."""

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def check(self) -> None:
        """Raise what ended the thread, if something did."""
        if self.failure is not None:
            raise self.failure

    def stop(self, seconds: float = _JOIN_SECONDS) -> bool:
        """Finish the step and the requests that are under way; False if it did not within that time."""
        self._stopping.set()
        self._sender.wake()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            try:
                self._send()
            finally:
                self._sender.close()
        except BaseException as error:  # noqa: BLE001  the main thread raises it from `check`
            self.failure = error

    def _send(self) -> None:
        while not self._stopping.is_set():
            self.steps += 1
            seconds = self._step()
            if seconds:
                self._sender.wait(min(seconds, _LONGEST_WAIT_SECONDS))

    def _step(self) -> float:
        try:
            return self._sender.step()
        except SpoolFull:  # a few bytes for a life's file: there will be room
            return _LONGEST_WAIT_SECONDS
