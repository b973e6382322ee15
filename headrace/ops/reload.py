"""A request to read the settings again: SIGHUP, the signal that `systemctl reload` sends."""

import signal
from types import FrameType


class Reload:
    """Becomes asked for by a signal; requests that come before one is taken are one."""

    def __init__(self) -> None:
        self._asked = False  # a plain flag: a handler may interrupt any line, and must wait for no lock

    @classmethod
    def install(cls) -> "Reload":
        """A reload that SIGHUP asks for; call it in the main thread."""
        reload = cls()
        signal.signal(signal.SIGHUP, reload._on_signal)
        return reload

    def taken(self) -> bool:
        """Whether to read the settings again; the request is taken with it."""
        if not self._asked:
            return False
        self._asked = False
        return True

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
