"""Tells systemd how the service is: ready, reloading, stopping, and still alive.

Sources: sd_notify(3), sd_watchdog_enabled(3), systemd.service(5).
"""

import socket
from collections.abc import Mapping

_WATCHDOG_SHARE = 0.3  # of the time that systemd waits; sd_watchdog_enabled(3) asks for half or less


class Notifier:
    """Sends states to the socket that systemd named; does nothing where it named none.

    A state that cannot be sent is dropped: the service must not end for it, and a watchdog that hears nothing
    does what it is there for.
    """

    def __init__(self, address: str | None, *, watchdog_seconds: float | None = None) -> None:
        """`address`: NOTIFY_SOCKET, a path, or (behind an @) a name in the abstract namespace."""
        self._address = "\0" + address[1:] if address and address[0] == "@" else address
        self._every = None if watchdog_seconds is None else watchdog_seconds * _WATCHDOG_SHARE
        self._next_at = float("-inf")

    @classmethod
    def of(cls, environ: Mapping[str, str], pid: int) -> "Notifier":
        """As the environment says; a watchdog that is meant for another process is not ours to feed."""
        microseconds = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", "") in ("", str(pid))
        seconds = int(microseconds) / 1e6 if ours and microseconds.isdecimal() else 0.0
        return cls(environ.get("NOTIFY_SOCKET"), watchdog_seconds=seconds or None)

    def ready(self, status: str = "") -> None:
        """The service has started, or has finished reloading; `status` is a line for `systemctl status`."""
        self._send("READY=1", *([f"STATUS={status}"] if status else []))

    def reloading(self, monotonic: float) -> None:
        """The settings are being read again, at `monotonic` seconds; `ready` must follow."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={monotonic * 1e6:.0f}")

    def stopping(self, status: str = "") -> None:
        """The service drains, and will end."""
        self._send("STOPPING=1", *([f"STATUS={status}"] if status else []))

    def status(self, text: str) -> None:
        """A line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def alive(self, monotonic: float) -> None:
        """Feed the watchdog; call it often, but only while all is well: it sends no more than is needed."""
        if self._every is not None and monotonic >= self._next_at:
            self._next_at = monotonic + self._every
            self._send("WATCHDOG=1")

    def _send(self, *states: str) -> None:
        if not self._address:
            return
        text = "\n".join(state.replace("\n", " ") for state in states)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(0)
            try:
                sender.sendto(text.encode(errors="replace"), self._address)
            except OSError:
                return
