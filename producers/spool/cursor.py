"""A walk over a life's entries: every number once, in order, whole or damaged, in bounded memory."""

import os
from typing import Protocol

from producers.spool.entry import HEADER_BYTES, Damaged, Entry, Run, Stop, length_at, scan
from producers.spool.fresh import Fresh
from producers.spool.life import Extent
from producers.spool.segment import Segment

_BLOCK_BYTES = 1 << 18
_KEPT_DAMAGE_BYTES = 1 << 19  # as much as a reject carries


class Readable(Protocol):
    """What a walk needs of a life."""

    extent: Extent


class Cursor:
    """Reads what follows a number; for one thread. It may lag behind the writer by any distance."""

    def __init__(self, life: Readable, after: int, fresh: Fresh | None = None) -> None:
        """What is in `fresh` is taken from there; it is on disk all the same."""
        self._life = life
        self._fresh = fresh
        self._next = after + 1
        self._segment: Segment | None = None
        self._file = -1
        self._offset = 0
        self._debris = b""

    def take(self) -> list[Entry | Damaged]:
        """The next entries one by one; none when all on disk has been taken."""
        taken: list[Entry | Damaged] = []
        for item in self.take_runs():
            taken += item.entries() if isinstance(item, Run) else [item]
        return taken

    def take_runs(self) -> list[Run | Damaged]:
        """The next entries, about a quarter of a megabyte of them; none when all on disk has been taken."""
        taken: list[Run | Damaged] = []
        while not taken and self._next <= self._life.extent.last:
            if self._fresh is not None and (run := self._fresh.take(self._next)) is not None:
                self._next = run.number + 1
                return [run]
            extent = self._life.extent
            segment = self._find(extent.segments)
            if segment is None:  # all that is left of these numbers is that they were given
                self._fill(taken, extent.segments[0].first if extent.segments else extent.last + 1)
                continue
            final = segment is extent.segments[-1]
            limit = extent.size if final else os.fstat(self._file).st_size
            if self._offset < limit:
                self._read(segment, limit, taken)
            else:
                self._fill(taken, extent.last + 1 if final else self._following(extent.segments))
        if not taken and self._segment is not None and self._segment not in self._life.extent.segments:
            self.close()  # it is deleted, but its room is not free while it is open
            self._segment = None
        return taken

    def close(self) -> None:
        """Close the segment that is being read."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _find(self, segments: tuple[Segment, ...]) -> Segment | None:
        """The segment that holds the next number, opened; None when there is none."""
        holding = [segment for segment in segments if segment.first <= self._next]
        if not holding:
            return None
        if self._segment is None or holding[-1].first != self._segment.first:
            self.close()
            self._segment = holding[-1]
            self._file = os.open(self._segment.path, os.O_RDONLY)
            self._offset = self._segment.start
            self._debris = b""
        for segment in segments:
            if segment.first == self._segment.first:
                return segment
        return None

    def _following(self, segments: tuple[Segment, ...]) -> int:
        return min(segment.first for segment in segments if segment.first > self._next - 1)

    def _read(self, segment: Segment, limit: int, taken: list[Run | Damaged]) -> None:
        size = min(_BLOCK_BYTES, limit - self._offset)
        block = os.pread(self._file, size, self._offset)
        found, end, stop = scan(block, segment.sync)
        if stop is Stop.SHORT and not found and len(block) < limit - self._offset:
            size = min(max(length_at(block, end), HEADER_BYTES), limit - self._offset)
            block = os.pread(self._file, size, self._offset)
            found, end, stop = scan(block, segment.sync)
        for item in found:
            self._pass(item, taken)
        rest = limit - self._offset - len(block)
        if (rest and (stop is Stop.SHORT or len(block) - end < HEADER_BYTES)) or stop is Stop.COMPLETE:
            self._offset += end
        else:  # a damaged stretch: a header may lie across the end of the block
            self._keep(block[end:])
            self._offset += max(end + 1, len(block) - HEADER_BYTES + 1) if rest else len(block)

    def _pass(self, item: Run | Damaged, taken: list[Run | Damaged]) -> None:
        if item.number == 0:
            self._keep(item.raw if isinstance(item, Damaged) else b"")
        elif item.number >= self._next:
            if isinstance(item, Run):
                item = item.after(self._next - 1)
            self._fill(taken, item.first if isinstance(item, Run) else item.number)
            taken.append(item)
            self._next = item.number + 1

    def _keep(self, debris: bytes) -> None:
        self._debris = (self._debris + debris)[:_KEPT_DAMAGE_BYTES]

    def _fill(self, taken: list[Run | Damaged], until: int) -> None:
        """Numbers that were given and cannot be read; the debris goes with the first of them."""
        for number in range(self._next, until):
            taken.append(Damaged(number, self._debris))
            self._debris = b""
        self._next = max(self._next, until)
        self._debris = b""
