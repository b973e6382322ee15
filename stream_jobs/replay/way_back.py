"""The way back: candidates are judged, the good ones put under their numbers, and what was put is marked."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby, islice
from typing import NamedTuple

from headrace.kinesis.messages import MAX_PUT_RECORDS, PutEntry
from headrace.kinesis.port import Kinesis
from headrace.ops.clock import Clock
from headrace.ops.shutdown import Shutdown
from headrace.schemas.codec import RejectCode
from headrace.schemas.reading import MAX_RECORD_BYTES
from headrace.warehouse.replays import Marks, RejectRow, Replays, Wanted
from stream_jobs.replay.candidates import Failed, Origin, archived, failed
from stream_jobs.replay.judging import Judged, Outcome, judge
from stream_jobs.replay.mending import Mend
from stream_jobs.replay.objects import Objects
from stream_jobs.replay.putting import MAX_REQUEST_BYTES, Putter, entry_of
from stream_jobs.replay.settings import ReplaySettings
from stream_jobs.replay.summary import Summary
from stream_jobs.replay.whole import Wholes

EVENTS, ERRORS = "events", "errors"
"""The declared streams."""

Advance = Callable[[int], None]
"""Told of so many more candidates that have been dealt with."""


class Outgoing(NamedTuple):
    """What goes back together, and how to remember it once all of it is acknowledged."""

    stream: str
    entries: tuple[PutEntry, ...]
    marks: Marks


class WayBack:
    """One run. When it is cut short, what was put and not marked is put again: a copy, which is dropped."""

    def __init__(
        self,
        settings: ReplaySettings,
        replays: Replays,
        kinesis: Kinesis,
        lake: Objects | None,
        clock: Clock,
        *,
        stop: Shutdown,
        mend: Mend | None = None,
        dry_run: bool = False,
    ) -> None:
        """`lake` is the archive; without one only the warehouse can be asked."""
        self._streams = {EVENTS: settings.stream, ERRORS: settings.error_stream}
        self._replays = replays
        self._kinesis = kinesis
        self._lake = lake
        self._stop = stop
        self._mend = mend
        self._wholes = Wholes(settings, kinesis, lake, clock)
        self._putter = Putter(kinesis, clock, stop)
        self.summary = Summary(dry_run=dry_run)
        self._most_bytes: dict[str, int] = {}

    def run(
        self,
        origins: Collection[Origin],
        wanted: Wanted,
        *,
        limit: int | None = None,
        advance: Advance = lambda _: None,
    ) -> Summary:
        """Deal with every candidate, at most `limit`.

        Raises WarehouseUnavailable, ArchiveUnavailable, KinesisUnavailable, and the kinds of HaltError of the
        same three; what was acknowledged until then is marked.
        """
        batch, records, size = list[Outgoing](), 0, 0
        for outgoing in islice(self._outgoing(origins, wanted), limit):
            if self._stop.requested():
                break
            if outgoing is not None and not self.summary.dry_run:
                batch.append(outgoing)
                records += len(outgoing.entries)
                size += sum(entry.size for entry in outgoing.entries)
            if records >= MAX_PUT_RECORDS or size >= MAX_REQUEST_BYTES:
                self._put(batch)
                batch, records, size = [], 0, 0
            advance(1)
        self._put(batch)
        self.summary.interrupted = self._stop.requested()
        return self.summary

    def _outgoing(self, origins: Collection[Origin], wanted: Wanted) -> Iterator[Outgoing | None]:
        """One per candidate, None for those that stay."""
        if Origin.WAREHOUSE in origins:
            for row in self._replays.rejects(wanted):
                yield self._reject(row, Marks(rejects=[row.id]))
        if Origin.ERRORS in origins and self._lake is not None:
            for row in archived(self._lake, self._replays, wanted, self._unreadable):
                yield self._reject(row, Marks(archived=[row]))
        if Origin.FAILED in origins and self._lake is not None:
            for line in failed(self._lake, self._replays, wanted, self._unreadable):
                yield self._failed(line)

    def _reject(self, row: RejectRow, marks: Marks) -> Outgoing | None:
        judged = self._judged(row)
        entry = entry_of(judged.event) if judged.outcome is Outcome.PASSED else None
        if entry is not None and entry.size > self._room_on(EVENTS):
            judged, entry = Judged(Outcome.STILL_BAD, why=RejectCode.TOO_LARGE), None
        self.summary.judged(row.code, f"reject {row.id}", judged)
        return None if entry is None else Outgoing(EVENTS, (entry,), marks)

    def _judged(self, row: RejectRow) -> Judged:
        if self._mend is None and row.raw_length > MAX_RECORD_BYTES:
            return Judged(Outcome.STILL_BAD, why=RejectCode.TOO_LARGE)
        raw = self._wholes.find(row)
        if raw is None:
            where = row.raw_place or f"kinesis:{row.shard}/{row.shard_sequence}"
            return Judged(Outcome.UNREACHABLE, why=f"the whole record is not within reach: {where}")
        return judge(row, raw, self._mend)

    def _failed(self, failed: Failed) -> Outgoing | None:
        """The line's records as they are: most were good, and what is known already is dropped as a copy."""
        entries = tuple(map(entry_of, failed.line.records))
        fits = all(entry.size <= self._room_on(failed.stream) for entry in entries)
        outcome = Judged(Outcome.PASSED) if fits else Judged(Outcome.STILL_BAD, why=RejectCode.TOO_LARGE)
        for _ in entries:
            self.summary.judged(failed.line.code, failed.key, outcome)
        mark = Marks(lines=[(failed.key, failed.line.line)])
        return Outgoing(failed.stream, entries, mark) if fits else None

    def _put(self, batch: Sequence[Outgoing]) -> None:
        """Put it, and mark what was acknowledged whole, whatever happens to the rest."""
        for stream, some in groupby(sorted(batch, key=lambda one: one.stream), key=lambda one: one.stream):
            group = list(some)
            owners = [place for place, one in enumerate(group) for _ in one.entries]
            entries = [entry for one in group for entry in one.entries]
            left = [len(one.entries) for one in group]
            try:
                for index in self._putter.put(self._streams[stream], entries):
                    left[owners[index]] -= 1
                    self.summary.put += 1
            finally:
                self._mark([one.marks for one, missing in zip(group, left, strict=True) if not missing])

    def _mark(self, marks: Sequence[Marks]) -> None:
        if marks:
            self._replays.mark(
                Marks(
                    rejects=[identity for one in marks for identity in one.rejects],
                    archived=[row for one in marks for row in one.archived],
                    lines=[line for one in marks for line in one.lines],
                )
            )

    def _room_on(self, stream: str) -> int:
        """The most bytes that a record may have there."""
        if stream not in self._most_bytes:
            described = self._kinesis.describe_stream_summary(self._streams[stream])
            self._most_bytes[stream] = described.max_record_bytes
        return self._most_bytes[stream]

    def _unreadable(self, where: str) -> None:
        self.summary.unreadable_lines += 1
        self.summary.trouble(where)
