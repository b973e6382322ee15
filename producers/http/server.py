"""An HTTP server in a thread of its own, with a bound on its connections."""

import asyncio
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

import h11

from headrace.errors import SettingsError
from headrace.ops.clock import Clock
from headrace.ops.logs import get_logger
from producers.http.answer import Answer, problem, retry_later
from producers.http.connection import Connection, Head, ReadBody, Respond, Times
from producers.http.tls import Certificate

_BACKLOG = 1024
_HANDSHAKE_SECONDS = 10.0
_GRACE_SECONDS = 2.0
_REFRESH_SECONDS = 1.0


class Service(NamedTuple):
    """What a server does: `refresh` is called every second, `answered` with the status of every answer."""

    respond: Respond
    refresh: Callable[[], None]
    answered: Callable[[int], None]
    certificate: Certificate | None
    times: Times
    connections: int


class Server:
    """Listens from its making on; `port` is the one taken."""

    def __init__(self, host: str, port: int, service: Service, clock: Clock) -> None:
        """Raises SettingsError when it cannot listen there."""
        self._service = service
        self._clock = clock
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        try:
            self._socket = _listening(host, port)
        except OSError as error:
            self._loop.close()
            raise SettingsError(
                f"{host}:{port} cannot be listened on ({error.strerror}): choose another port with "
                "HEADRACE_HTTP_PORT, or 0 for a free one"
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more, answer what is under way, and end; it may be called twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        certificate = self._service.certificate
        server = await asyncio.start_server(
            self._connected,
            sock=self._socket,
            ssl=certificate.context if certificate else None,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS if certificate else None,
            ssl_shutdown_timeout=_GRACE_SECONDS if certificate else None,
            backlog=_BACKLOG,
        )
        while not self._stopping.is_set():
            self._service.refresh()
            if certificate is not None:
                certificate.refresh()
            try:
                await asyncio.wait_for(self._stopping.wait(), _REFRESH_SECONDS)
            except TimeoutError:
                continue
        server.close()
        await self._let_go()

    async def _let_go(self) -> None:
        """Give what is under way a little time for its answer."""
        for connection, task in self._connections.items():
            connection.closing = True
            if not connection.is_busy:
                task.cancel()
        tasks = list(self._connections.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made = Connection(
            reader,
            writer,
            self._respond,
            times=self._service.times,
            answered=self._service.answered,
            clock=self._clock,
        )
        if len(self._connections) >= self._service.connections or self._stopping.is_set():
            await made.refuse(retry_later(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections are open"))
            return
        task = asyncio.current_task()
        if task is None:
            raise AssertionError
        self._connections[made] = task
        try:
            await made.serve()
        except asyncio.CancelledError:
            pass  # the server ends; the streams would log it
        finally:
            del self._connections[made]
            writer.close()

    async def _respond(self, head: Head, read_body: ReadBody) -> Answer:
        try:
            return await self._service.respond(head, read_body)
        except (h11.RemoteProtocolError, ConnectionError):
            raise
        except Exception:  # noqa: BLE001  a fault of ours: it is logged, and answered
            get_logger().exception("a request has failed")
            return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of the producer; its log says more")


def _listening(host: str, port: int) -> socket.socket:
    """Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)
