"""The ledger's rules, without I/O: which numbers of a batch count, and what the ranges are afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.errors import WarehouseRefused
from headrace.warehouse.batch import Exclusions, FoldedBatch
from headrace.warehouse.ranges import RangeSet
from headrace.warehouse.system_tables import Fate

MAX_RANGES = 100_000
"""Ranges that one source may occupy. A healthy source has a handful; a sender whose numbers have no
order would otherwise make every batch slower than the one before."""

NOTHING = RangeSet()


@dataclass(frozen=True)
class SourceLedger:
    """The fate of every number of one source that is known; the three sets are disjoint."""

    counted: RangeSet = field(default_factory=RangeSet)
    rejected: RangeSet = field(default_factory=RangeSet)
    written_off: RangeSet = field(default_factory=RangeSet)

    def ranges(self) -> dict[Fate, RangeSet]:
        """The three sets by name."""
        return {
            Fate.COUNTED: self.counted,
            Fate.REJECTED: self.rejected,
            Fate.WRITTEN_OFF: self.written_off,
        }

    @property
    def range_count(self) -> int:
        """How many rows of `ledger_ranges` the source takes."""
        return sum(ranges.range_count for ranges in self.ranges().values())

    @property
    def known(self) -> RangeSet:
        """Every number that has a fate."""
        return RangeSet.union_of(self.ranges().values())

    def settle(self, good: RangeSet, bad: RangeSet) -> "SourceLedger":
        """The ledger after these numbers arrived.

        A good number that stood in rejected moves to counted; a number that was written off and arrives
        after all leaves that column. `bad` numbers that are counted stay counted.
        """
        counted = self.counted | good
        rejected = (self.rejected | bad) - counted
        return SourceLedger(counted, rejected, self.written_off - good - bad)


Ledger = Mapping[str, SourceLedger]
_UNKNOWN = SourceLedger()


def exclusions(ledger: Ledger, batch: FoldedBatch, *, max_ranges: int = MAX_RANGES) -> Exclusions:
    """What a batch, folded without exclusions, must leave out given the ledger.

    - A number that is counted already is a duplicate wherever it appears, good or bad.
    - Of copies in several partitions one is kept: a good one before a bad one, then the lowest partition.
    - A source that would exceed `max_ranges` may only extend or join the ranges it has: each further good
      number is rejected as `too_scattered`. It goes to `rejects` whole and into no range, so reconcile
      shows it as missing, not as accounted for, until the source's gaps close and it is replayed.

    Raises `WarehouseRefused` when one number of one place is both good and bad: leaving out the bad copy
    would lose the good one.
    """
    duplicates: dict[tuple[str, int | None], RangeSet] = {}
    too_scattered: dict[str, RangeSet] = {}
    for source, (good, bad) in _arrivals(batch).items():
        if both := [p for p in good.keys() & bad.keys() if good[p] & bad[p]]:
            raise WarehouseRefused(f"numbers of {source} in partitions {both} are both counted and rejected")
        known = ledger.get(source, _UNKNOWN)
        arrived = RangeSet.union_of((*good.values(), *bad.values()))
        if again := arrived & known.counted:
            duplicates[source, None] = again
        if len(good.keys() | bad.keys()) > 1:
            copies = _copies(good, bad)
            duplicates |= {(source, p): rest for p, found in copies.items() if (rest := found - again)}
        new = RangeSet.union_of(good.values()) - again
        if scattered := _scattered(known, new, max_ranges):
            too_scattered[source] = scattered
    return Exclusions(duplicates, too_scattered)


def check_refold(first: FoldedBatch, told: Exclusions, second: FoldedBatch) -> None:
    """Raise `WarehouseRefused` unless the second fold left out what it was told to, and nothing else."""
    now = _arrivals(second)
    for source, (good, bad) in _arrivals(first).items():
        left_out = told.duplicates.get((source, None), NOTHING) | told.too_scattered.get(source, NOTHING)
        expected = RangeSet.union_of((*good.values(), *bad.values())) - left_out
        found = [ranges for fate in now.get(source, ()) for ranges in fate.values()]
        if RangeSet.union_of(found) != expected or sum(ranges.size for ranges in found) != expected.size:
            raise WarehouseRefused(f"the second fold did not leave out of {source} what it was told to")


def settled(ledger: Ledger, batch: FoldedBatch, *, max_ranges: int = MAX_RANGES) -> dict[str, SourceLedger]:
    """The ledger of every source of the batch once the batch, folded with its exclusions, is in.

    A rejected number that would exceed `max_ranges` stays out of the ranges; its record is in `rejects`.
    """
    after = {}
    for source, (good, bad) in _arrivals(batch).items():
        known = ledger.get(source, _UNKNOWN)
        counted, rejected = RangeSet.union_of(good.values()), RangeSet.union_of(bad.values())
        state = known.settle(counted, rejected)
        if state.range_count > max_ranges:
            state = known.settle(counted, rejected.touching(known.rejected))
        after[source] = state
    return after


def replayed(before: Ledger, after: Ledger) -> dict[str, int]:
    """How many numbers of each source move from rejected to counted, of those that have any."""
    moved = {
        source: (before[source].rejected & state.counted).size
        for source, state in after.items()
        if source in before
    }
    return {source: count for source, count in moved.items() if count}


def highest(batch: FoldedBatch) -> dict[str, int]:
    """The highest number of each source that the batch brought."""
    found: dict[str, int] = {}
    for numbers in (batch.counted, batch.rejected):
        for (source, _), ranges in numbers.items():
            found[source] = max(ranges.highest, found.get(source, 0))
    return found


def _arrivals(batch: FoldedBatch) -> dict[str, tuple[dict[int, RangeSet], dict[int, RangeSet]]]:
    """Per source its good and its bad numbers, each per partition in ascending order."""
    found: dict[str, tuple[dict[int, RangeSet], dict[int, RangeSet]]] = {}
    for fate, numbers in enumerate((batch.counted, batch.rejected)):
        for source, partition in sorted(numbers):
            found.setdefault(source, ({}, {}))[fate][partition] = numbers[source, partition]
    return found


def _copies(good: Mapping[int, RangeSet], bad: Mapping[int, RangeSet]) -> dict[int, RangeSet]:
    """Per partition the numbers whose kept copy is elsewhere."""
    found: dict[int, RangeSet] = {}
    kept = NOTHING
    for partition, ranges in good.items():
        found[partition] = ranges & kept
        kept |= ranges
    for partition, ranges in bad.items():
        found[partition] = found.get(partition, NOTHING) | (ranges & kept)
        kept |= ranges
    return found


def _scattered(known: SourceLedger, new: RangeSet, max_ranges: int) -> RangeSet:
    """The numbers of `new` that find no room.

    Each new range that touches none of the counted ones costs at most two: its own, and the second half
    of a rejected range that it splits.
    """
    room = max(max_ranges - known.range_count, 0)
    if 2 * new.range_count <= room:
        return NOTHING
    apart = new - new.touching(known.counted)
    return apart - apart.lowest_ranges(room // 2)
