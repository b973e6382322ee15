"""A feed of Server-Sent Events that replays what it holds behind Last-Event-ID, and fails as it is told.

with EventFeed() as feed:
    feed.publish(*events)
    feed.script(Turn(cut=1000), Turn(status=429, headers={"Retry-After": "2"}))
"""

import random
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.doubles.web_server import Request, WebServer

_LONG_SECONDS = 60.0


@dataclass(frozen=True)
class FeedEvent:
    """One event; no `id`: a place that nobody can ask for."""

    data: bytes
    id: str | None = None
    type: str | None = None

    def lines(self) -> bytes:
        """As it is sent."""
        parts = [] if self.type is None else [b"event: " + self.type.encode()]
        parts += [] if self.id is None else [b"id: " + self.id.encode()]
        parts += [b"data: " + line for line in self.data.split(b"\n")]
        return b"\n".join(parts) + b"\n\n"


@dataclass(frozen=True)
class Turn:
    """What a connection becomes. `cut`: broken after so many bytes; `ends`: closed after what is there."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream; charset=utf-8"
    before: bytes = b""
    cut: int | None = None
    ends: bool = False
    gzip: bool = False
    chunked: bool = True
    comment_seconds: float | None = None


class EventFeed(WebServer):
    """Serves `events`, then waits for more; a connection meets the next turn of the script, or the usual."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        self.events: list[FeedEvent] = []
        self.usual = Turn()
        self.random = random.Random(seed)
        self._script: deque[Turn] = deque()

    def publish(self, *events: FeedEvent) -> None:
        with self.changed:
            self.events += events
            self.changed.notify_all()

    def script(self, *turns: Turn) -> None:
        self._script.extend(turns)

    @property
    def asked_from(self) -> list[str | None]:
        """The Last-Event-ID of every request."""
        return [_last_id(request) for request in self.received]

    def answer(self, request: Request) -> None:
        turn = self._script.popleft() if self._script else self.usual
        if turn.status != 200:
            request.head(turn.status, **turn.headers)
            return
        coding = {"Content-Encoding": "gzip"} if turn.gzip else {}
        framing = {"Transfer-Encoding": "chunked"} if turn.chunked else {}
        request.head(200, Content_Type=turn.content_type, **coding, **framing, **turn.headers)
        sent = 0
        for content in self._encoded(turn, request):
            piece = content if turn.cut is None else content[: turn.cut - sent]
            sent += len(piece)
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if turn.chunked else piece
            request.wfile.write(framed if piece else b"")
            if sent == turn.cut:
                if self.random.random() < 0.5:
                    request.reset()
                return
        request.wfile.write(b"0\r\n\r\n" if turn.chunked else b"")

    def _encoded(self, turn: Turn, request: Request) -> Iterator[bytes]:
        deflater = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        for content in self._content(turn, _last_id(request)):
            if turn.gzip:
                yield deflater.compress(content) + deflater.flush(zlib.Z_SYNC_FLUSH)
            else:
                yield content
        if turn.gzip:
            yield deflater.flush()

    def _content(self, turn: Turn, last_id: str | None) -> Iterator[bytes]:
        if turn.before:
            yield turn.before
        position, came = self._behind(last_id), True
        end = len(self.events) if turn.ends else None
        while not self.closing and position != end:
            if position < len(self.events):
                yield self.events[position].lines()
                position += 1
            else:
                with self.changed:
                    if position == len(self.events) and not self.closing:
                        came = self.changed.wait(turn.comment_seconds or _LONG_SECONDS)
                if not came and turn.comment_seconds:
                    yield b": alive\n"

    def _behind(self, last_id: str | None) -> int:
        ids = [event.id for event in self.events]
        return 0 if last_id is None else ids.index(last_id) + 1


def _last_id(request: Request) -> str | None:
    found: str | None = request.headers["Last-Event-ID"]
    return None if found is None else found.encode("latin-1").decode()
