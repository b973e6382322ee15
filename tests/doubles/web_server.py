"""A real HTTP server on 127.0.0.1 whose answers a test decides, down to the bytes at which they are cut."""

import socket
import ssl
import struct
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Request(BaseHTTPRequestHandler):
    """One connection, one request."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.double.received.append(self)
        try:
            self.server.double.answer(self)
        except (ConnectionError, TimeoutError):
            pass  # the client hung up
        except Exception:  # noqa: BLE001  shown at the end of the test
            self.server.double.crashes.append(traceback.format_exc())

    def head(self, status: int, **headers: object) -> None:
        """The status line and the headers; `content_type` is sent as Content-Type."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()

    def reset(self) -> None:
        """Break the connection, so that the client sees more than an end."""
        linger = struct.pack("ii", 1, 0)  # so that close sends RST instead of FIN
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it
        """Stay silent."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, double: "WebServer", port: int) -> None:
        self.double = double
        super().__init__(("127.0.0.1", port), Request)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        if self.double.tls is not None:  # the handshake is left to the connection's own thread
            connection = self.double.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def handle_error(self, *_: object) -> None:
        """A client that does not trust us hangs up in the handshake; a fault of ours is in `crashes`."""


class WebServer:
    """The double as a context manager; `received` are the requests, in the order they came in."""

    tls: ssl.SSLContext | None = None

    def __init__(self) -> None:
        self.received: list[Request] = []
        self.crashes: list[str] = []
        self.port = 0
        self.changed = threading.Condition()
        self.closing = False
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def answer(self, request: Request) -> None:
        """Send the answer; the connection is closed behind it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._server = _Server(self, self.port)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        assert not self.crashes, self.crashes[0]
