"""The text/event-stream format: bytes, in whatever pieces, become the data of events, with their ids.

As https://html.spec.whatwg.org/multipage/server-sent-events.html says, with two additions: the last id is
kept across connections (as browsers do), and an event longer than a line may be goes to quarantine as it
comes.
"""

from collections import deque
from collections.abc import Collection

from producers.quarantine import Draft, Kept, Quarantine
from producers.reading.source import MAX_LINE_BYTES, Chunk

LONGEST_ID = 4096
"""Bytes; a longer id is ignored, as one with a NUL is: no server would take it back in a header."""

_LONG_LINE_BYTES = 1 << 16  # of a longer line only data is of interest, and it is taken as it comes
_BOM = b"\xef\xbb\xbf"
_USUAL_TYPE = b"message"
_LONGEST_RETRY_DIGITS = 9  # milliseconds, eleven days


class EventStream:
    """Fed with bytes, gives the data of events; for one feed, connection after connection."""

    def __init__(self, last_id: bytes, quarantine: Quarantine, *, wanted: Collection[str] = ()) -> None:
        """`last_id` is where the feed was left; `wanted` are the types of events to give (none: all)."""
        self.last_id = last_id
        """That of the last event that was complete, for the header Last-Event-ID."""
        self.retry_seconds = 0.0
        """The least time between two connections, if the server said one."""
        self.blocked = False
        self._quarantine = quarantine
        self._wanted = {name.encode() for name in wanted}
        self._ready: deque[tuple[list[bytes | Kept], list[bytes]]] = deque()
        self._draft: Draft | None = None
        self.begin()

    def begin(self) -> None:
        """A new connection: an event that had not come to its end is forgotten; it comes again."""
        self._unread = b""
        self._lines: deque[bytes] = deque()
        self._at_start = True
        self._skips_feed = False  # the last line ended with CR; a LF after it belongs to it
        self._within: bytes | None = None  # the field of a long line whose beginning is consumed
        self._id = self.last_id
        self._forget()
        self.blocked = False

    def feed(self, data: bytes) -> None:
        """Take bytes. Raises SpoolFull, after which the next call (with no bytes, if `blocked`) goes on."""
        self._unread += data
        self.blocked = True
        if self._has_begun():
            self._cut()
            while self._lines:
                self._take(self._lines[0])
                self._lines.popleft()
            if len(self._unread) > _LONG_LINE_BYTES or self._within is not None:
                self._take_beginning()
        self.blocked = False

    @property
    def is_ready(self) -> bool:
        """Whether there are events to take."""
        return bool(self._ready)

    def chunk(self, name: str) -> Chunk:
        """The next events that are ready; only when some are. The place of each is the last id then."""
        return Chunk(name, *self._ready.popleft())

    # -- lines

    def _has_begun(self) -> bool:
        """Past a byte order mark, if there is one."""
        if self._at_start:
            if len(self._unread) < len(_BOM) and _BOM.startswith(self._unread):
                return False
            self._unread = self._unread.removeprefix(_BOM)
            self._at_start = False
        return True

    def _cut(self) -> None:
        """Complete lines, ended by CR, LF or both."""
        if self._skips_feed and self._unread:
            self._unread = self._unread.removeprefix(b"\n")
            self._skips_feed = False
        lines = self._unread.splitlines(keepends=True)
        if not lines:
            return
        self._unread = b"" if lines[-1].endswith((b"\r", b"\n")) else lines.pop()
        if lines:
            self._skips_feed = not self._unread and lines[-1].endswith(b"\r")
            self._lines.extend(line.rstrip(b"\r\n") for line in lines)

    def _take_beginning(self) -> None:
        """Of a long line whose end is still to come."""
        if self._within is None:
            field, value = _parts(self._unread)
            if field == b"data":
                self._add(self._separator() + value)
            self._within = field if field == b"data" else b""
        elif self._within == b"data":
            self._add(self._unread)
        self._unread = b""

    def _take(self, line: bytes) -> None:
        """One whole line, or the end of a long one."""
        if self._within is not None:
            if self._within == b"data":
                self._add(line)
            self._within = None
        elif line:
            self._take_field(*_parts(line))
        else:
            self._dispatch()

    # -- events

    def _take_field(self, field: bytes, value: bytes) -> None:
        if field == b"data":
            self._add(self._separator() + value)
        elif field == b"event":
            self._type = value
        elif field == b"id" and b"\0" not in value and len(value) <= LONGEST_ID:
            self._id = value.decode(errors="replace").encode()
        elif field == b"retry" and value.isdigit() and len(value) <= _LONGEST_RETRY_DIGITS:
            self.retry_seconds = int(value) / 1000

    def _separator(self) -> bytes:
        return b"\n" if self._has_data else b""

    def _add(self, piece: bytes) -> None:
        """More of the event's data; all of it or (SpoolFull, SpoolUnusable) nothing."""
        if self._draft is None and len(self._data) + len(piece) <= MAX_LINE_BYTES:
            self._data += piece
        else:
            self._draft = self._draft or self._quarantine.begin()
            self._draft.write(bytes(self._data) + piece)
            self._data.clear()
        self._has_data = True

    def _dispatch(self) -> None:
        """The event is complete: give it, if it has data and is of a wanted type."""
        wanted = not self._wanted or (self._type or _USUAL_TYPE) in self._wanted
        if self._has_data and wanted:
            line = bytes(self._data) if self._draft is None else self._draft.finish()
            if isinstance(line, Kept):
                self._draft = None
            if isinstance(line, Kept) or not self._ready or isinstance(self._ready[-1][0][-1], Kept):
                self._ready.append(([], []))
            lines, places = self._ready[-1]
            lines.append(line)
            places.append(self._id)
        self.last_id = self._id
        self._forget()

    def _forget(self) -> None:
        if self._draft is not None:
            self._draft.discard()
            self._draft = None
        self._data = bytearray()
        self._has_data = False
        self._type = b""


def _parts(line: bytes) -> tuple[bytes, bytes]:
    """(field, value); the field of a comment is empty."""
    field, _, value = line.partition(b":")
    return field, value.removeprefix(b" ")
