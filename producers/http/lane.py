"""Hands the records of requests over to the reader, and hears from it when they are on disk."""

import threading
from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from headrace.ops.clock import Clock
from producers.reading.source import NOTHING_NOW, Chunk, Source

UNNAMED = "http"
"""The input name of records whose request has no key."""

_WAIT_SECONDS = 0.1
_STUCK_SECONDS = 2.0
_CHUNK_BYTES = 1 << 20


class Outcome(Enum):
    """What became of the records of a request."""

    ON_DISK = "all are on disk"
    NOT_TAKEN = "none was taken"
    WITHDRAWN = "none was taken for too long"
    UNKNOWN = "some may have been taken"


@dataclass(eq=False, slots=True)
class Submission:
    """The records of one request; `size` is about what they take in the spool."""

    name: str
    lines: Sequence[bytes]
    places: Sequence[bytes]
    size: int
    outcome: "Future[Outcome]"

    @property
    def loop(self) -> AbstractEventLoop:
        """Where its outcome is awaited."""
        return self.outcome.get_loop()


class Lane(Source):
    """A queue with a bound in bytes. The server's thread offers requests, the reader's thread reads."""

    def __init__(
        self,
        allowed_bytes: int,
        clock: Clock,
        on_disk: Callable[[list[Submission]], Collection[str]] = lambda _: (),
    ) -> None:
        """`on_disk` hears of submissions before their requests do; it returns names that are obsolete."""
        self._allowed = allowed_bytes
        self._clock = clock
        self._heard_at = clock.monotonic()  # when the reader last came
        self._on_disk = on_disk
        self._queue: deque[Submission] = deque()
        self._taken: list[Submission] = []
        self._changed = threading.Condition()
        self._is_closed = False
        self.waiting_bytes = 0
        """Of submissions whose outcome is open."""

    @property
    def is_closed(self) -> bool:
        """Whether it takes nothing any more."""
        return self._is_closed

    def offer(self, submission: Submission) -> bool:
        """Take a submission; False where that would be too much, the lane is closed, or the disk is stuck."""
        with self._changed:
            full = self._queue and self.waiting_bytes + submission.size > self._allowed
            if self._is_closed or full or self._is_stuck():
                return False
            self._queue.append(submission)
            self.waiting_bytes += submission.size
            self._changed.notify()
        return True

    def withdraw(self, submission: Submission) -> bool:
        """Take a submission back; False where the reader has it."""
        with self._changed:
            if submission not in self._queue:
                return False
            self._queue.remove(submission)
            self.waiting_bytes -= submission.size
        return True

    def read(self) -> Chunk:
        """What is queued, at once; waits only while nothing is left to commit."""
        with self._changed:
            if not self._queue and not self._taken:
                self._changed.wait(_WAIT_SECONDS)
            self._heard_at = self._clock.monotonic()
            if not self._queue:
                return NOTHING_NOW
            together = [self._queue.popleft()]
            size = together[0].size
            while self._goes_with(together[0], size):
                together.append(self._queue.popleft())
                size += together[-1].size
            self._taken += together
        if len(together) == 1:
            return Chunk(together[0].name, together[0].lines, together[0].places)
        lines = [line for submission in together for line in submission.lines]
        places = [place for submission in together for place in submission.places]
        return Chunk(together[0].name, lines, places)

    def committed(self) -> Collection[str]:
        """All that was read is on disk: let the requests know."""
        with self._changed:
            self._heard_at = self._clock.monotonic()
            done, self._taken = self._taken, []
            self.waiting_bytes -= sum(submission.size for submission in done)
        obsolete = self._on_disk(done)
        _settle(done, Outcome.ON_DISK)
        return (*obsolete, UNNAMED)

    def close(self) -> None:
        """Take nothing any more; what was not committed will not be, as far as a request can know."""
        with self._changed:
            self._is_closed = True
            queued, self._queue = list(self._queue), deque()
            taken, self._taken = self._taken, []
            self.waiting_bytes = 0
        _settle(queued, Outcome.NOT_TAKEN)
        _settle(taken, Outcome.UNKNOWN)

    def _is_stuck(self) -> bool:
        """Whether something waits, and the reader does not come, as while the spool takes nothing."""
        silent = self._clock.monotonic() - self._heard_at
        return silent > _STUCK_SECONDS and bool(self._queue or self._taken)

    def _goes_with(self, first: Submission, size: int) -> bool:
        """Whether the next in the queue can share a chunk, which has one input name."""
        return bool(self._queue) and first.name == self._queue[0].name == UNNAMED and size < _CHUNK_BYTES


def _settle(submissions: list[Submission], outcome: Outcome) -> None:
    """Wake the requests, all with one call into their loop."""
    if submissions:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            submissions[0].loop.call_soon_threadsafe(_set_all, submissions, outcome)


def _set_all(submissions: list[Submission], outcome: Outcome) -> None:
    for submission in submissions:
        if not submission.outcome.done():
            submission.outcome.set_result(outcome)
