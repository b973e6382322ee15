"""One HTTP/1.1 connection: its requests one after the other, each within its time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime
from http import HTTPStatus
from typing import NamedTuple

import h11

from headrace.ops.clock import Clock
from producers.http.answer import Answer, problem

_READ_BYTES = 1 << 16
_LINGER_BYTES = 1 << 20
_LINGER_SECONDS = 1.0


class Head(NamedTuple):
    """A request without its body; the names of headers are in small letters."""

    method: str
    target: str
    headers: Mapping[str, str]


class Times(NamedTuple):
    """In seconds."""

    idle: float
    """Until the first byte of a (further) request."""

    request: float
    """From there to the last byte of its body; and for an answer to be read."""


ReadBody = Callable[[], Awaitable[bytes | None]]
"""The next part of the body; empty at its end; None when it is not there in time."""

Respond = Callable[[Head, ReadBody], Awaitable[Answer]]


class Connection:
    """`is_busy` while a request is being answered; `closing` set from outside makes the answer the last."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        respond: Respond,
        *,
        times: Times,
        answered: Callable[[int], None],
        clock: Clock,
    ) -> None:
        """`answered` is told the status of every answer."""
        self._reader = reader
        self._writer = writer
        self._respond = respond
        self._times = times
        self._answered = answered
        self._clock = clock
        self._http = h11.Connection(h11.SERVER)
        self._deadline = 0.0
        self._wants_body = True
        self.is_busy = False
        self.closing = False

    async def serve(self) -> None:
        """Until one side has enough."""
        try:
            while await self._exchange() and not self.closing:
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            await self._refuse(HTTPStatus(error.error_status_hint or HTTPStatus.BAD_REQUEST), str(error))
        except (ConnectionError, TimeoutError):
            pass  # the client has gone away, or does not read
        finally:
            self._writer.close()

    async def refuse(self, answer: Answer) -> None:
        """Answer without reading, and close."""
        self.closing = True
        try:
            await self._send(answer)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self._writer.close()

    async def _exchange(self) -> bool:
        """One request and its answer; whether another may follow."""
        head = await self._head()
        if head is None:
            return False
        self.is_busy = True
        self._wants_body = head.method != "HEAD"
        answer = await self._respond(head, self._body)
        if self._http.they_are_waiting_for_100_continue:
            self.closing = True  # the client may send its body or not: only the end is clear
        elif self._http.their_state is h11.SEND_BODY:
            await self._answer_early(head, answer)
            self.is_busy = False
            return self._is_whole()
        await self._send(answer)
        self.is_busy = False
        return self._is_whole()

    def _is_whole(self) -> bool:
        """Whether request and answer are through, and both sides would go on."""
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _head(self) -> Head | None:
        """None when the client has none for us, or not in time."""
        loop = asyncio.get_running_loop()
        begun = bool(self._http.trailing_data[0])
        self._deadline = loop.time() + (self._times.request if begun else self._times.idle)
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                headers: dict[str, str] = {}
                for raw_name, raw in event.headers:
                    name, value = raw_name.decode("latin-1"), raw.decode("latin-1")
                    headers[name] = f"{headers[name]}, {value}" if name in headers else value
                return Head(event.method.decode(), event.target.decode("latin-1"), headers)
            if event is not h11.NEED_DATA:
                return None
            if not await self._receive():
                if begun:
                    await self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the request was not here in time")
                return None
            if not begun:
                begun = True
                self._deadline = loop.time() + self._times.request

    async def _body(self) -> bytes | None:
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            self._writer.write(self._http.send(go_on) or b"")
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Data):
                return bytes(event.data)
            if isinstance(event, h11.EndOfMessage):
                return b""
            if event is h11.NEED_DATA and not await self._receive():
                self.closing = True
                return None

    async def _receive(self) -> bool:
        """More bytes; False when they do not come in time."""
        try:
            async with asyncio.timeout_at(self._deadline):
                self._http.receive_data(await self._reader.read(_READ_BYTES))
        except TimeoutError:
            return False
        return True

    async def _answer_early(self, head: Head, answer: Answer) -> None:
        """Answer while the body is still coming, and read a little of that.

        A connection closed with bytes unread would be reset, and the answer perhaps lost on the way.
        """
        declared = int(head.headers.get("content-length", "0"))
        self.closing |= "transfer-encoding" in head.headers or declared > _LINGER_BYTES
        await self._send(answer)
        self._deadline = min(self._deadline, asyncio.get_running_loop().time() + _LINGER_SECONDS)
        discarded = 0
        while discarded < _LINGER_BYTES and (part := await self._body()):
            discarded += len(part)

    async def _refuse(self, status: HTTPStatus, detail: str) -> None:
        self.closing = True
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._send(problem(status, detail))

    async def _send(self, answer: Answer) -> None:
        """Raises TimeoutError, or a ConnectionError."""
        self._answered(answer.status.value)
        http = self._http
        headers = [("Date", format_datetime(self._clock.now(), usegmt=True))]
        headers += [*answer.headers, ("Content-Length", str(len(answer.body)))]
        if self.closing:
            headers.append(("Connection", "close"))
        response = h11.Response(status_code=answer.status, headers=headers, reason=answer.status.phrase)
        body = answer.body if self._wants_body else b""
        parts = [http.send(response), http.send(h11.Data(data=body)), http.send(h11.EndOfMessage())]
        self._writer.write(b"".join(part or b"" for part in parts))
        async with asyncio.timeout(self._times.request):
            await self._writer.drain()
