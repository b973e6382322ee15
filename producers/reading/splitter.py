"""Cuts a stream of bytes into lines, in bulk, whatever their length."""

from collections import deque
from itertools import accumulate

from producers.quarantine import Draft, Kept, Quarantine
from producers.reading.source import MAX_LINE_BYTES, Chunk

_MINIMUM_TEXT = 8192
_ALLOWED_CONTROLS = b"\t\n\v\f\r\b\x1b"
_CONTROLS = bytes(code for code in range(32) if code not in _ALLOWED_CONTROLS)
_BINARY_SHARE = 0.05  # random bytes hold 10 % control characters, text hardly any


def looks_binary(head: bytes) -> bool:
    """Whether the first bytes of an input are no text: a single NUL in a line is not enough."""
    sample = head[:_MINIMUM_TEXT]
    return len(sample) - len(sample.translate(None, _CONTROLS)) > _BINARY_SHARE * len(sample)


class LineSplitter:
    """Fed with bytes, gives lines with the offset after each; for one input."""

    def __init__(self, offset: int, quarantine: Quarantine) -> None:
        self._quarantine = quarantine
        self._offset = offset  # of the first byte that is in no line yet
        self._unread = b""
        self._draft: Draft | None = None
        self._draft_bytes = 0
        self._ready: deque[tuple[list[bytes | Kept], list[bytes]]] = deque()
        self.blocked = False

    def feed(self, data: bytes) -> None:
        """Take bytes. Raises SpoolFull, after which the next call (with no bytes, if `blocked`) goes on."""
        self._unread += data
        self.blocked = True
        if self._draft is not None:
            self._go_on(self._draft)
        if self._draft is None:
            self._split()
        self.blocked = False

    def finish(self) -> None:
        """The input has ended: what is left is a line too. Raises SpoolFull: call it again."""
        if self._draft is not None:
            self._close(self._draft, b"", feed=0)
        elif self._unread:
            self._offset += len(self._unread)
            self._ready.append(([self._unread], [b"%d" % self._offset]))
            self._unread = b""

    @property
    def is_ready(self) -> bool:
        """Whether there are lines to take."""
        return bool(self._ready)

    @property
    def has_rest(self) -> bool:
        """Whether a line has begun whose end has not come."""
        return self._draft is not None or bool(self._unread)

    @property
    def is_drafting(self) -> bool:
        """Whether an over-long line is on its way into quarantine."""
        return self._draft is not None or self.blocked

    def chunk(self, name: str) -> Chunk:
        """The next lines that are ready; only when some are."""
        return Chunk(name, *self._ready.popleft())

    def _split(self) -> None:
        """Complete lines; only the first can be over-long, since the others came within one read."""
        first = self._unread.find(b"\n")
        if (first if first >= 0 else len(self._unread)) > MAX_LINE_BYTES:
            self._draft, self._draft_bytes = self._quarantine.begin(), 0
            self._go_on(self._draft)
            if self._draft is not None:
                return
        *lines, self._unread = self._unread.split(b"\n")
        if lines:
            ends = list(accumulate((len(line) + 1 for line in lines), initial=self._offset))[1:]
            self._offset = ends[-1]
            self._ready.append((list(lines), [b"%d" % end for end in ends]))

    def _go_on(self, draft: Draft) -> None:
        head, feed, rest = self._unread.partition(b"\n")
        if feed:
            self._close(draft, head, feed=1)
            self._unread = rest
            return
        draft.write(head)
        self._draft_bytes += len(head)
        self._unread = b""

    def _close(self, draft: Draft, last: bytes, *, feed: int) -> None:
        if last:
            draft.write(last)
            self._draft_bytes += len(last)
            self._unread = self._unread[len(last) :]
        kept = draft.finish()
        self._offset += self._draft_bytes + feed
        self._ready.append(([kept], [b"%d" % self._offset]))
        self._draft = None
