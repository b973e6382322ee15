"""Moves lines from a source into the spool, and pauses the source while the spool has no room."""

from collections import deque

from headrace.errors import SpoolFull
from headrace.ops import metrics
from headrace.ops.clock import Clock
from producers.intake import Intake
from producers.reading.source import Chunk, Source
from producers.spool.spool import Spool

_GROUP_SECONDS = 0.05
_PAUSE_SECONDS = 0.1
_IDLE_SECONDS = 0.05
_SLICES_PER_SECOND = 10


class Reader:
    """Works in steps. `problem` says why the source is paused; `ended`: all is read and on disk."""

    def __init__(
        self,
        source: Source,
        intake: Intake,
        spool: Spool,
        clock: Clock,
        *,
        group_bytes: int,
        rate: float | None = None,
        name: str = "",
    ) -> None:
        """`group_bytes` are fsynced together; `rate` is in lines per second."""
        self._source = source
        self._intake = intake
        self._spool = spool
        self._clock = clock
        self._group_bytes = group_bytes
        self._rate = rate
        self._held: deque[Chunk] = deque()
        self._next_at = clock.monotonic()
        self._uncommitted_since: float | None = None
        self._source_ended = False
        self._full = metrics.SPOOL_FULL.labels(input=name)
        self.problem = ""
        self.ended = False

    def step(self) -> float:
        """Read, number and commit a little; returns seconds for which there is nothing to do.

        Raises SourceUnreadable, after which `commit` still has to be called, or SpoolUnusable.
        """
        try:
            return self._step()
        except SpoolFull as error:
            self.problem = str(error)
            self._full.set(1)
            return _PAUSE_SECONDS

    @property
    def trouble(self) -> str:
        """Why nothing comes from the source."""
        return self._source.trouble

    def commit(self) -> bool:
        """Put on disk what was taken; False while there is no room for it. Raises SpoolUnusable."""
        try:
            self._commit()
        except SpoolFull as error:
            self.problem = str(error)
            return False
        return True

    def close(self) -> None:
        """Close the source, once all that was taken from it is committed."""
        self._source.close()

    def _step(self) -> float:
        now = self._clock.monotonic()
        if self._is_due(now):
            self._commit()
        if not self._held and not self._source_ended:
            self._read()
        if not self._held:
            idle = self._uncommitted_since is None
            self._commit()
            self.ended = self._source_ended
            return _IDLE_SECONDS if idle else 0.0
        if self._rate is not None and now < self._next_at:
            self._commit()
            return self._next_at - now
        chunk = self._held[0]
        self._intake.take(chunk)
        self._held.popleft()
        if self._uncommitted_since is None:
            self._uncommitted_since = now
        if self._rate is not None:
            self._next_at = max(self._next_at, now - 1.0) + len(chunk.lines) / self._rate
        return 0.0

    def _read(self) -> None:
        chunk = self._source.read()
        if chunk is None:
            self._source_ended = True
        elif chunk.lines:
            size = len(chunk.lines) if self._rate is None else max(1, int(self._rate / _SLICES_PER_SECOND))
            for start in range(0, len(chunk.lines), size):
                part = slice(start, start + size)
                self._held.append(Chunk(chunk.input, chunk.lines[part], chunk.places[part]))

    def _is_due(self, now: float) -> bool:
        """Whether the group is full, or its first line has waited long enough."""
        if self._uncommitted_since is None:
            return False
        full = self._spool.life().waiting_bytes >= self._group_bytes
        return full or now - self._uncommitted_since >= _GROUP_SECONDS

    def _commit(self) -> None:
        if self._uncommitted_since is not None:
            life = self._spool.life()
            life.commit()
            self._uncommitted_since = None
            if not self._held:
                life.forget(self._source.committed())
        if self.problem:
            self.problem = ""
            self._full.set(0)
