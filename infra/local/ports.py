"""TCP ports on the loopback interface."""

import socket

LOOPBACK = "127.0.0.1"


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
