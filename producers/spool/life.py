"""One life of a spool: what is appended under one source, from number 1 on, until it is acknowledged."""

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from headrace.errors import SpoolFull
from producers.spool import identity as identities
from producers.spool import segment as segments
from producers.spool.budget import Budget, spool_error, spool_unusable
from producers.spool.entry import Run, encode
from producers.spool.fresh import Fresh
from producers.spool.identity import Identity
from producers.spool.mark import Mark, Progress
from producers.spool.recovery import Recovered, recover
from producers.spool.segment import Header, Segment

_FRESH_BYTES = 8 << 20


class Extent(NamedTuple):
    """What a reader may read: numbers up to `last`; `size` bytes of the last segment, all of the others."""

    last: int
    segments: tuple[Segment, ...]
    size: int


class _Group(NamedTuple):
    """Appended together, and how far every input is read after it."""

    data: bytes
    run: Run
    positions: dict[str, str]


class Life:
    """Appended to by one thread, read and acknowledged by another."""

    extent: Extent
    identity: Identity
    positions: dict[str, str]

    def __init__(
        self, directory: Path, budget: Budget, *, source: str, machine: str, segment_bytes: int
    ) -> None:
        """Recover what the directory holds; a life that must not go on is closed. Raises SpoolUnusable."""
        self.directory = directory
        self._budget = budget
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._tail: int | None = None  # the last segment, open for writing
        try:
            self._mark = Mark(directory / "mark")
            recovered = recover(directory, self._mark.progress, source=source)
            self._adopt(recovered, machine)
        except OSError as error:
            raise spool_error(error, directory) from error
        self._groups: list[_Group] = []
        self.fresh = Fresh(_FRESH_BYTES)
        self.waiting_bytes = 0
        self.next_number = self.extent.last + 1

    # -- what it is

    @property
    def source(self) -> str:
        """The source of its records."""
        return self.identity.source

    @property
    def is_open(self) -> bool:
        """Whether it still gives numbers."""
        return self.identity.closed is None

    @property
    def spooled(self) -> int:
        """The highest number on disk."""
        return self.extent.last

    @property
    def acknowledged(self) -> int:
        """Numbers up to here are with Kinesis, without a gap."""
        return self._mark.progress.acknowledged

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.identity.reported and self.acknowledged >= self.spooled

    # -- the appending thread

    def inherit(self, positions: Mapping[str, str]) -> None:
        """Go on where the life before has stopped reading; only before the first entry."""
        if not self.extent.segments:
            self.positions = dict(positions)
            self._at_segment_start = dict(positions)

    def append(self, input_name: str, places: Sequence[bytes], records: Sequence[bytes]) -> None:
        """Take the next numbers for these records; `places` says how far `input_name` is read after each.

        They are in memory until `commit`, which bounds what may be appended between two commits.
        """
        prefix = input_name.encode() + b"\t"
        positions = [prefix + place for place in places]
        data = b"".join(encode(self.identity.sync, self.next_number, positions, records))
        self.positions[input_name] = places[-1].decode()
        run = Run(self.next_number, positions, list(records))
        self._groups.append(_Group(data, run, dict(self.positions)))
        self.next_number += len(records)
        self.waiting_bytes += len(data)

    def commit(self) -> None:
        """Put on disk, fsynced, what was appended.

        Raises SpoolFull: nothing is lost, call again when there is room. Raises SpoolUnusable.
        """
        while self._groups:
            try:
                self._commit(len(self._groups))
            except SpoolFull:
                self._make_room()
                self._commit(1)

    def forget(self, inputs: Iterable[str]) -> None:
        """Keep no longer how far these inputs are read; it holds from the next segment on."""
        for name in inputs:
            self.positions.pop(name, None)

    def close(self, reason: str) -> None:
        """Give no more numbers. Raises SpoolFull or SpoolUnusable."""
        self._rewrite(msgspec.structs.replace(self.identity, closed=reason))

    # -- the sending thread

    def acknowledge(self, number: int) -> None:
        """Numbers up to this one are with Kinesis: delete the segments that hold no later one.

        Raises SpoolUnusable.
        """
        try:
            self._acknowledge(number)
        except OSError as error:
            raise spool_error(error, self.directory.parent) from error

    def mark_reported(self) -> None:
        """Kinesis has the status that says that this life is closed. Raises SpoolFull or SpoolUnusable."""
        self._rewrite(msgspec.structs.replace(self.identity, reported=True))

    def release(self) -> None:
        """Close the files."""
        if self._tail is not None:
            os.close(self._tail)
            self._tail = None
        self._mark.close()

    # -- inside

    def _acknowledge(self, number: int) -> None:
        with self._lock:
            self._mark.write(self._mark.progress._replace(acknowledged=number))
            kept = self.extent.segments
            done = 0
            while done + 1 < len(kept) and kept[done + 1].first <= number + 1:
                done += 1
            if done == 0:
                return
            self._mark.sync()
            self.extent = self.extent._replace(segments=kept[done:])
        for old in kept[:done]:
            self._budget.add(-old.path.stat().st_size)
            old.path.unlink()

    def _adopt(self, recovered: Recovered, machine: str) -> None:
        self.identity = recovered.identity
        self.positions = recovered.positions
        self._at_segment_start = dict(self.positions)
        self.extent = Extent(recovered.last, recovered.segments, recovered.size)
        for _, path in segments.paths(self.directory):
            self._budget.add(path.stat().st_size)
        reason = recovered.damage
        if reason is None and not self.identity.lives_in(self.directory, machine):
            reason = "found on another machine, or copied"
        progress = self._mark.progress
        first = recovered.segments[0].first if recovered.segments else 1
        if progress == Progress():  # no mark: what was deleted was acknowledged
            self._mark.write(progress._replace(acknowledged=first - 1))
        if self.is_open and reason is not None:
            self.close(reason)
        if self.is_open:
            self._make_durable(recovered.position)

    def _make_durable(self, position: bytes) -> None:
        """Cut an incomplete last entry; what a killed process wrote may still be in the page cache."""
        if not self.extent.segments:
            return
        path, size = self.extent.segments[-1].path, self.extent.size
        self._budget.add(size - path.stat().st_size)
        self._tail = os.open(path, os.O_WRONLY)
        os.ftruncate(self._tail, size)
        os.fsync(self._tail)
        segments.sync_directory(self.directory)
        self._mark.write(self._mark.progress._replace(committed=self.extent.last, position=position))

    def _commit(self, count: int) -> None:
        """The first groups, all of them or none."""
        groups = self._groups[:count]
        data = b"".join(group.data for group in groups)
        self._budget.require(len(data))
        try:
            self._write(data)
        except OSError as error:
            raise spool_error(error, self.directory.parent) from error
        last = groups[-1].run
        del self._groups[:count]
        self.waiting_bytes -= len(data)
        self._at_segment_start = groups[-1].positions
        with self._lock:
            try:
                self._mark.write(Progress(last.number, self.acknowledged, last.positions[-1]))
            except OSError as error:  # the entries are on disk: writing there again would overwrite them
                raise spool_unusable(error, self.directory.parent) from error
            self.extent = Extent(last.number, self.extent.segments, self.extent.size + len(data))
        for group in groups:
            self.fresh.put(group.run, len(group.data))

    def _make_room(self) -> None:
        """Where Kinesis has all of the last segment, begin another, so that it can be deleted."""
        extent = self.extent
        if self.acknowledged < extent.last or not extent.segments or extent.size == extent.segments[-1].start:
            return
        try:
            self._budget.give_up_reserve()
            self._begin_segment()
            self._acknowledge(self.acknowledged)
        except OSError as error:
            raise spool_error(error, self.directory.parent) from error
        self._budget.keep_reserve()

    def _write(self, data: bytes) -> None:
        """All of it to the last segment, or nothing."""
        tail = self._tail
        if tail is None or self.extent.size >= self._segment_bytes:
            tail = self._begin_segment()
        size = self.extent.size
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(tail, data[written:] if written else data, size + written)
            os.fdatasync(tail)
        except OSError:
            os.ftruncate(tail, size)
            raise
        self._budget.add(len(data))

    def _begin_segment(self) -> int:
        first = self.extent.last + 1
        header = Header(self.source, self.identity.sync, first, self._at_segment_start)
        segment = segments.create(self.directory, header)
        if self._tail is not None:
            os.close(self._tail)
        self._tail = os.open(segment.path, os.O_WRONLY)
        self._budget.add(segment.start)
        with self._lock:
            self.extent = Extent(first - 1, (*self.extent.segments, segment), segment.start)
        return self._tail

    def _rewrite(self, identity: Identity) -> None:
        try:
            identities.write(self.directory, identity)
        except OSError as error:
            raise spool_error(error, self.directory) from error
        self.identity = identity
