"""TCP ports on the loopback interface."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOPBACK = "127.0.0.1"


@contextmanager
def turn() -> Iterator[None]:
    """To be held from the choice of a port until its server listens.

    Otherwise two stacks that start at the same moment choose the same one.
    """
    lock = Path(tempfile.gettempdir()) / f"headrace-ports-{os.getuid()}.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def choose(preferred: int) -> int:
    """The preferred port when nothing listens there, otherwise one that the system picks."""
    return preferred if preferred and _free(preferred) else _any()


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # Connections of a former server that linger do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError:
            return False
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) != 0


def _any() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
