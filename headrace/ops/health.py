"""`/healthz`, `/readyz` and `/metrics` of a process, on 127.0.0.1 unless told otherwise."""

import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from headrace.errors import SettingsError


class Health(msgspec.Struct, frozen=True):
    """What a process says of itself; `detail` says why."""

    ok: bool
    detail: dict[str, object]


class HealthServer:
    """Serves `GET /healthz` and `/readyz` (200 or 503, JSON) and `/metrics` (Prometheus) while it is entered.

    Health says whether the process works, readiness whether it takes work now; without `ready` they are one.
    Port 0 takes a free one; `port` holds the one taken.
    Raises SettingsError when the port is in use.
    """

    def __init__(
        self,
        health: Callable[[], Health],
        ready: Callable[[], Health] | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        try:
            self._server = _Server((host, port), _handler(health, ready or health))
        except OSError as error:
            raise SettingsError(
                f"health port {host}:{port} cannot be opened ({error.strerror}): choose another with "
                "HEADRACE_HEALTH_PORT, or 0 for a free one"
            ) from error
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  the base class's types
        """A client that went away before its answer is no news; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(health: Callable[[], Health], ready: Callable[[], Health]) -> type[BaseHTTPRequestHandler]:
    states = {"/healthz": health, "/readyz": ready}

    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0  # seconds; a client that asks nothing must not hold a thread for ever

        def do_GET(self) -> None:
            if self.path in states:
                state = states[self.path]()
                status = HTTPStatus.OK if state.ok else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "application/json", msgspec.json.encode(state))
            elif self.path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest())
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"try /healthz, /readyz or /metrics\n")

        def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it
            """Stay silent: a scrape every few seconds is no news."""

    return Handler
