"""One file that is followed: looked at more often the livelier it is, and open only while that helps."""

from headrace.errors import SourceUnreadable
from producers.quarantine import Quarantine
from producers.reading.inode import head_at, is_of, status_at
from producers.reading.input_file import InputFile, unreadable
from producers.reading.listing import Found
from producers.reading.log_file import LogFile
from producers.reading.source import MAX_LINE_BYTES, READ_BYTES, Chunk
from producers.reading.splitter import LineSplitter

_SOONEST, _LIVE_LATEST, _ROTATED_LATEST = 0.05, 0.5, 10.0  # seconds between two looks at a file
_AFTER_FAILURE = 5.0
_CALM_SECONDS = 2.0  # after a change, so long its change time may be too coarse to show another
GRACE_SECONDS = 1.0  # a server goes on writing to the rotated file until it opens the new one
_LAST_LINE_SECONDS = 60.0  # so long a rotated file may keep us waiting for the end of its last line


class FollowedFile(LogFile):
    """Carries the content `name`, given out up to `place`; a copy, or one not asked for, `is_silent`."""

    def __init__(self, found: Found, quarantine: Quarantine, now: float) -> None:
        super().__init__(found, now)
        self.name: str | None = None
        self.place = 0
        self.is_silent = False
        self.is_truncated = False
        self.failed = ""
        """Why it cannot be read at the moment."""
        self.file: InputFile | None = None
        self.head = b""
        self.used_at = now
        self._quarantine = quarantine
        self._splitter = LineSplitter(0, quarantine)
        self._read_to = 0
        self._ended_at = self._changed_at = self._look_at = float("-inf")
        self._known_since = now
        self._stamp = (found.status.st_size, found.status.st_mtime_ns)
        self._same_ns = -1  # it was certainly this file when its inode last changed then

    # -- what it is

    @property
    def is_over(self) -> bool:
        """Whether the next file of its log may be begun."""
        if self.is_silent or self.failed:
            return True
        if self.is_static:
            return self._ended_at > float("-inf")
        if self.superseded_at is None or self.waits_for is not None:
            return False
        return self._ended_at >= self.superseded_at + GRACE_SECONDS

    @property
    def may_close(self) -> bool:
        """Whether it can be opened again later without a loss."""
        return self.file is not None and not self.missing and not self._splitter.is_drafting

    @property
    def is_at_end(self) -> bool:
        """Whether nothing was left at the last look."""
        return self._ended_at >= max(self._changed_at, self._known_since)

    @property
    def is_finished(self) -> bool:
        """Whether it is gone from its folder, and read to its end."""
        if self.missing <= 1:
            return False
        if self.is_silent:
            return True
        return self.file is None or (self._is_given_up and self.is_at_end and not self._splitter.has_rest)

    def is_another(self, found: Found, newest_ns: int) -> bool:
        """Whether its inode was used for another file, or written anew, while it was closed."""
        changed = found.status.st_ctime_ns
        is_sure = self.file is not None or changed == self._same_ns
        if is_sure or not self.head or self._splitter.has_rest:
            return False
        head = head_at(found.path, self.key)
        if head is not None and changed < newest_ns:  # else the clock may not have ticked since
            self._same_ns = changed
        return head is not None and not head.startswith(self.head)

    def moved(self, found: Found) -> None:
        """It stands there now."""
        self.stand_at(found)
        stamp = (found.status.st_size, found.status.st_mtime_ns)
        if stamp == self._stamp:
            return
        self._look_at = float("-inf")
        if self.is_static or self.is_silent:  # a copy that grew may be no copy
            self._stamp = stamp
            self.question()

    def supersede(self, at: float) -> None:
        """A newer file of its log is there."""
        if self.superseded_at is None:
            self.superseded_at = at
            self._look_at = float("-inf")

    # -- opening and closing

    def open(self) -> InputFile:
        """The open file. Raises SourceUnreadable; sets `is_truncated` when it has other content by now."""
        if self.file is not None and (self.head or self.file.is_gzip):
            return self.file
        if self.file is not None and status_at(self.path, self.key) is None:
            self.file.is_intact()  # it had no content yet when it was opened; by now its path is gone
            self.head = self.file.head
            return self.file
        file = InputFile(self.path)
        if not is_of(file.status(), self.key):
            file.close()
            raise SourceUnreadable(f"{self.path} was just replaced")
        if self.file is not None:
            self.file.close()
        self.file = file
        self._is_gzip = file.is_gzip
        self._go_to(self.place)
        if not file.head.startswith(self.head):
            self.is_truncated = True
        else:
            self.head = file.head
        return file

    def close(self) -> None:
        """Close it; what was read of an unfinished line will be read again."""
        if self.file is not None:
            self.file.close()
            self.file = None

    def begin(self, name: str | None, place: int) -> None:
        """It carries this content, and is read from there on."""
        self.name, self.is_silent, self.failed = name, False, ""
        self._go_to(place)
        self._look_at = self._ended_at = float("-inf")

    def restart(self) -> None:
        """It has other content by now."""
        self.is_truncated = False
        self.head = b""
        if self.file is not None:
            self.file.head = b""
            self.file.is_intact()
            self.head = self.file.head
        self.begin(None, 0)

    def silence(self, name: str) -> None:
        """Nothing of it is to be read: it is a copy of this content, or was not asked for."""
        self.name, self.is_silent = name, True
        self.close()

    def question(self) -> None:
        """It is to be found out anew what it carries."""
        self.close()
        self.head = b""
        self.is_truncated = self._is_gzip = False
        self.begin(None, 0)

    # -- reading

    def size(self) -> int:
        """Of a plain file, in bytes. Raises SourceUnreadable."""
        return self._status()[0]

    def is_still_intact(self) -> bool:
        """Whether it still holds what was read of it. Raises SourceUnreadable."""
        return self.is_static or (self.size() >= self._read_to and self._is_intact())

    def end_of_lines(self) -> int:
        """The place behind the last whole line. Raises SourceUnreadable."""
        end = self.size()
        start = max(end - MAX_LINE_BYTES, 0)
        return start + self.open().at(start, end - start).rfind(b"\n") + 1

    def has_begun(self, now: float) -> bool:
        """Whether there is content to know it by. Raises SourceUnreadable."""
        if now < self._look_at:
            return False
        if self.is_static or self._has_more(now):
            self.open()
        if not self.head:
            self._at_end(now)
        return bool(self.head)

    def fail(self, why: str, now: float) -> None:
        """It cannot be read: try again later, compressed files only when they have changed."""
        if status_at(self.path, self.key) is None:
            self._look_at = now + _SOONEST  # renamed: the next listing will tell
            return
        self.failed = why
        self._look_at = float("inf") if self.is_static else now + _AFTER_FAILURE

    def rest(self) -> Chunk | None:
        """Its last line, which has no line feed."""
        if not self._splitter.is_ready:
            self._splitter.finish()
        return self._pop()

    def read(self, now: float) -> Chunk | None:
        """The next lines; None when there are none now. Raises SourceUnreadable, SpoolFull."""
        chunk = self._pop()
        if chunk is not None or now < self._look_at:
            return chunk
        while not self.is_truncated and (self._splitter.blocked or self._has_more(now)):
            data = b"" if self._splitter.blocked else self._next(now)  # which may begin a new splitter
            self._splitter.feed(data)
            chunk = self._pop()
            if chunk is not None:
                return chunk
        return self._at_end(now) if not self.is_truncated else None

    def _pop(self) -> Chunk | None:
        if not self._splitter.is_ready:
            return None
        chunk = self._splitter.chunk(self.name or "")
        self.place = int(chunk.places[-1])
        return chunk

    def _has_more(self, now: float) -> bool:
        """Whether there are bytes that were not read; a file that is idle is only asked for its size."""
        if self.is_static:
            return self._ended_at == float("-inf")
        size, changed = self._status()
        if (size, changed) != self._stamp:
            self._stamp = (size, changed)
            self._changed_at = now
        if size < self._read_to:
            self.is_truncated = True
        elif size == self._read_to and self.head and now - self._changed_at < _CALM_SECONDS:
            self.is_truncated = not self._is_intact()
        return size > self._read_to and not self.is_truncated

    def _status(self) -> tuple[int, int]:
        status = status_at(self.path, self.key)
        if status is None:
            if self.file is None:
                return (max(self._stamp[0], 0), self._stamp[1])  # renamed: the next listing will tell
            try:
                status = self.file.status()
            except OSError as error:
                raise unreadable(self.path, error) from error
        return status.st_size, status.st_mtime_ns

    def _next(self, now: float) -> bytes:
        """Bytes that certainly stood behind what was read before: the head is looked at after them."""
        file = self.open()
        self.used_at, self.failed = now, ""
        if self.is_truncated:
            return b""
        try:
            data = file.read(READ_BYTES)
            if not data and file.is_gzip:
                self._ended_at = now
            if not data or not self._is_intact():
                self.is_truncated = not file.is_gzip
                return b""
        except SourceUnreadable:
            self.close()  # an NFS handle may be stale; the path is opened anew
            raise
        self._read_to, self._changed_at = file.offset, now
        return data

    def _is_intact(self) -> bool:
        file = self.open()
        if self.is_truncated or not file.is_intact():
            return False
        self.head = file.head
        return True

    def _at_end(self, now: float) -> Chunk | None:
        self._ended_at = now
        calm = now - self._changed_at
        latest = _ROTATED_LATEST if self.superseded_at is not None and self.is_over else _LIVE_LATEST
        self._look_at = now + min(max(calm / 8, _SOONEST), latest)
        if self._splitter.has_rest:
            return self.rest() if self._is_given_up else None
        if self.is_static:
            self._look_at = float("inf")
        if self.is_over and not self.missing:
            self.close()
        return None

    @property
    def _is_given_up(self) -> bool:
        """Whether nobody will write to it any more."""
        if self.is_static:
            return True
        if self.superseded_at is None and not self.missing:
            return False
        calm = self._ended_at - max(self._changed_at, self._known_since)
        unlinked = self.file is not None and self.missing > 1 and self.file.status().st_nlink == 0
        return calm >= (GRACE_SECONDS if unlinked else _LAST_LINE_SECONDS)

    def _go_to(self, place: int) -> None:
        self.place = self._read_to = place
        self._splitter = LineSplitter(place, self._quarantine)
        if self.file is not None:
            self.file.seek(place)
