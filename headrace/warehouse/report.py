"""What reconcile says: one line per source and per output, and the verdict that follows from them."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import UNSET, Struct, UnsetType, field, structs

from headrace.warehouse.ledger import SourceLedger
from headrace.warehouse.ranges import RangeSet

SILENT_AFTER = timedelta(seconds=60)
RANGES_SHOWN = 20
_MENDED = re.compile("replay/[0-9a-f]{64}")


class SourceReport(Struct, frozen=True, kw_only=True):
    """The account of one source, in numbers of records.

    Args:
        source: its name.
        sent: the larger of what its status says was spooled and the highest number seen.
        counted: in the windows.
        rejected: kept whole in `rejects`, and not replayed so far.
        replayed: rejected once, mended and counted since: `rejected + replayed` were ever rejected.
        missing: lost, as far as the stream has been read: it should be there and is not.
        missing_ranges: where, as (first, last), the lowest `RANGES_SHOWN` ranges.
        duplicates_dropped: copies that arrived and changed nothing.
        in_flight: not there, and not yet due.
        written_off: declared lost by an operator.
        closed: its producer gives out no further number.
        silent: it had a status, is not closed, and has not been heard of for `SILENT_AFTER`.
    """

    source: str
    sent: int
    counted: int
    rejected: int
    missing: int
    duplicates_dropped: int
    in_flight: int
    written_off: int
    replayed: int = 0
    closed: bool = False
    silent: bool = False
    missing_ranges: list[tuple[int, int]] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """Whether every number that was sent is accounted for, and the producer is alive or done."""
        return not (self.missing or self.in_flight or self.silent)

    @property
    def under_way(self) -> bool:
        """Whether waiting may change the line."""
        return self.in_flight > 0


class OutputReport(Struct, frozen=True, kw_only=True):
    """One windowed output: the records in its windows, and how many its type's count calls for.

    Of the whole ledger (`Report.ledger`): the good records of all types, and how many numbers are counted. A
    record that was let in twice would swell windows and its type's count alike; the numbers it cannot swell.
    """

    name: str
    records: int
    expected: int

    @property
    def balanced(self) -> bool:
        """Whether it neither lacks a record nor holds one twice."""
        return self.records == self.expected


class ArchiveTotals(Struct, frozen=True, kw_only=True):
    """What was read of the archive: its objects, their numbered records, and how many of those are copies."""

    objects: int
    records: int
    duplicates: int


class Report(Struct, frozen=True, kw_only=True):
    """The proof.

    Args:
        balanced: whether it holds.
        sources: one line each; with the archive `archive_report.ArchivedSource`.
        outputs: one line for each windowed output.
        ledger: the types' counts against the numbers.
        frontier: the instant that every shard has been read up to; None before any batch.
        archive: what was read of the archive, if it was asked for.
    """

    balanced: bool
    sources: list[SourceReport]
    outputs: list[OutputReport]
    ledger: OutputReport
    frontier: datetime | None = None
    archive: ArchiveTotals | UnsetType = UNSET


class Said(Struct, frozen=True, kw_only=True):
    """What a source's producer last said (`status_at` None: nothing yet), and what came of it.

    `highest` is the highest number that arrived, be it in a range or rejected as too scattered. All that is
    counted had arrived by `updated_at`.
    """

    spooled: int = 0
    acknowledged: int = 0
    closed: bool = False
    status_at: datetime | None = None
    duplicates_dropped: int = 0
    highest: int = 0
    replayed: int = 0
    updated_at: datetime | None = None

    @property
    def sent(self) -> int:
        """The last number that was given out, as far as is known."""
        return max(self.spooled, self.highest)


def judge(
    source: str,
    ledger: SourceLedger,
    said: Said,
    *,
    frontier: datetime | None,
    started: datetime,
    now: datetime,
) -> SourceReport:
    """The account of one source.

    An absent number is missing once every shard has been read past the status that acknowledged it (past
    `started`, for a source without a status, up to the highest number seen); else it is in flight.
    """
    absent = ledger.known.gaps_below(said.sent)
    due = said.acknowledged if said.status_at else said.highest
    passed = frontier is not None and frontier > (said.status_at or started)
    missing = absent & RangeSet.of((1, due)) if passed else RangeSet()
    return SourceReport(
        source=source,
        sent=said.sent,
        counted=ledger.counted.size,
        rejected=ledger.rejected.size,
        missing=missing.size,
        missing_ranges=list(missing.lowest_ranges(RANGES_SHOWN).pairs()),
        duplicates_dropped=said.duplicates_dropped,
        in_flight=absent.size - missing.size,
        written_off=ledger.written_off.size,
        replayed=said.replayed,
        closed=said.closed,
        silent=is_silent(said, now),
    )


def is_silent(said: Said, now: datetime) -> bool:
    """Whether the producer neither closed the source nor has been heard of lately."""
    return said.status_at is not None and not said.closed and now - said.status_at > SILENT_AFTER


def fold_settled(sources: Sequence[SourceReport]) -> list[SourceReport]:
    """The sources, those that nobody need look at folded into a line for each kind, named after their number.

    They are the closed and balanced ones, and the balanced `replay/<reject id>` of records that a replay put
    back and that had no number of their own. One source of a kind is its own line.
    """
    mended = [line for line in sources if line.balanced and _MENDED.fullmatch(line.source)]
    closed = [line for line in sources if line.balanced and line.closed and line not in mended]
    kinds = {"closed sources": closed, "replayed records without a number": mended}
    folded = {name: lines for name, lines in kinds.items() if len(lines) > 1}
    gone = {line.source for lines in folded.values() for line in lines}
    totals = [_total(f"({len(lines):,} {name})", lines) for name, lines in folded.items()]
    return [line for line in sources if line.source not in gone] + totals


def _total(name: str, lines: Sequence[SourceReport]) -> SourceReport:
    """One line whose counts are the sums of those of lines of one kind, all balanced."""
    kind = type(lines[0])
    counts = {
        field.name: sum(getattr(line, field.name) for line in lines)
        for field in structs.fields(kind)
        if field.type is int
    }
    return kind(source=name, closed=all(line.closed for line in lines), **counts)
