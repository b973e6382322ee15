"""The archive against the ledger, without I/O: what a source's line says of it, and what is still due."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from headrace.warehouse.ledger import SourceLedger
from headrace.warehouse.ranges import RangeSet
from headrace.warehouse.report import RANGES_SHOWN, ArchiveTotals, SourceReport

Gaps = Mapping[datetime, RangeSet]
"""Counted numbers of one source that the archive lacked, by the moment when that was first noticed."""

_NOTHING = RangeSet()


class ArchivedSource(SourceReport, frozen=True, kw_only=True):
    """The account of one source, with the archive's.

    Args:
        archived: numbers that the archive holds, each once.
        archive_missing: counted, and not in the archive although the delivery's buffers are due.
        archive_missing_ranges: where, as (first, last), the lowest `RANGES_SHOWN` ranges.
        archive_in_flight: in one of the two and not yet due in the other.
        archive_extra: in the archive, and neither counted nor rejected nor written off.
    """

    archived: int
    archive_missing: int
    archive_in_flight: int
    archive_extra: int
    archive_missing_ranges: list[tuple[int, int]] = msgspec.field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """Whether every number is accounted for, and counted and archived alike."""
        apart = self.archive_missing or self.archive_in_flight or self.archive_extra
        return super().balanced and not apart

    @property
    def under_way(self) -> bool:
        """Whether waiting may change the line."""
        return super().under_way or self.archive_in_flight > 0


@dataclass(frozen=True)
class Archived:
    """What is known of the archive.

    Args:
        ranges: the numbers that it holds, per source.
        gaps: what it was found to lack, per source.
        totals: its objects and lines.
        last_read: when the newest of its objects was read; None before any.
    """

    ranges: Mapping[str, RangeSet] = field(default_factory=dict)
    gaps: Mapping[str, Gaps] = field(default_factory=dict)
    totals: ArchiveTotals = field(default_factory=lambda: ArchiveTotals(objects=0, records=0, duplicates=0))
    last_read: datetime | None = None


def judge_archive(
    line: SourceReport,
    ledger: SourceLedger,
    archived: Archived,
    *,
    arrived_by: datetime | None,
    due: datetime,
    frontier: datetime | None,
) -> ArchivedSource:
    """The line with the archive's account of the same source.

    A counted number that the archive lacks is missing once it is known to have arrived in the stream by
    `due`: the whole source had (`arrived_by`), or the gap was noticed by then. A number that only the archive
    has is extra once every shard has been read past the reading of the archive's newest object.
    """
    held = archived.ranges.get(line.source, _NOTHING)
    lacking, beyond = ledger.counted - held, held - ledger.known
    missing = lacking
    if arrived_by is None or arrived_by > due:
        noticed = archived.gaps.get(line.source, {})
        missing = lacking & RangeSet.union_of(gap for at, gap in noticed.items() if at <= due)
    passed = frontier is not None and archived.last_read is not None and frontier > archived.last_read
    extra = beyond.size if passed else 0
    return ArchivedSource(
        **msgspec.structs.asdict(line),
        archived=held.size,
        archive_missing=missing.size,
        archive_missing_ranges=list(missing.lowest_ranges(RANGES_SHOWN).pairs()),
        archive_in_flight=lacking.size - missing.size + beyond.size - extra,
        archive_extra=extra,
    )


def gaps_after(held: Gaps, lacking: RangeSet, now: datetime) -> dict[datetime, RangeSet]:
    """The gaps of a source that now lacks these numbers; what has arrived meanwhile is gone."""
    after = {at: left for at, gap in held.items() if (left := gap & lacking)}
    if new := lacking - RangeSet.union_of(after.values()):
        after[now] = after.get(now, _NOTHING) | new
    return after
