"""What the warehouse knows of the archive: its objects, each read once, and the numbers that they hold."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple, Protocol, cast

from headrace.ops.clock import Clock
from headrace.warehouse import row_changes
from headrace.warehouse.archive_report import Archived, Gaps, gaps_after
from headrace.warehouse.batch_writer import merge_rows
from headrace.warehouse.ranges import RangeSet
from headrace.warehouse.report import ArchiveTotals
from headrace.warehouse.session import Cursor, Session
from headrace.warehouse.system_tables import ARCHIVE_GAPS, ARCHIVE_OBJECTS, ARCHIVE_RANGES, LOCK_WRITERS

_STEP, _READERS = 32, 4  # an object may take 100 MB while it is read
_SOURCES_PER_QUERY = 1_000
_GapRow = tuple[str, int, int, datetime]

Progress = Callable[[int, int], None]
"""Told how many of how many objects are read."""


class Archive(Protocol):
    """The archive of the stream `events`, whatever store it is in; threads may share it."""

    def objects(self) -> Iterable[tuple[str, str]]:
        """Key and ETag of every object."""
        ...

    def numbers(self, key: str) -> Mapping[str, Sequence[int]]:
        """Per source the numbers that an object holds, with repeats."""
        ...


class _Read(NamedTuple):
    key: str
    etag: str
    records: int
    numbers: Mapping[str, RangeSet]


def take_in(session: Session, clock: Clock, archive: Archive, progress: Progress) -> None:
    """Read every object that is new. It is done in small steps: what is cut short goes on next time."""
    with session.snapshot() as cursor:
        cursor.execute("SELECT object_key, etag FROM archive_objects")
        known = dict(cast("list[tuple[str, str]]", cursor.fetchall()))
    new = [found for found in archive.objects() if known.get(found[0]) != found[1]]

    def read(found: tuple[str, str]) -> _Read:
        lines = archive.numbers(found[0])
        numbers = {source: RangeSet.from_numbers(some) for source, some in lines.items()}
        return _Read(*found, sum(map(len, lines.values())), numbers)

    with ThreadPoolExecutor(_READERS) as readers:
        for start in range(0, len(new), _STEP):
            progress(start, len(new))
            _book(session, list(readers.map(read, new[start : start + _STEP])), clock.now())
    if new:
        progress(len(new), len(new))


def read_archived(cursor: Cursor) -> Archived:
    """All that is known, in the caller's transaction."""
    ranges, gaps = _ranges(cursor), _gaps(cursor)
    cursor.execute(
        "SELECT COUNT(*), CAST(COALESCE(SUM(records), 0) AS BIGINT), MAX(read_at) FROM archive_objects"
    )
    objects, records, last_read = cast("tuple[int, int, datetime | None]", cursor.fetchone())
    distinct = sum(held.size for held in ranges.values())
    totals = ArchiveTotals(objects=objects, records=records, duplicates=records - distinct)
    return Archived(ranges, gaps, totals, last_read)


def note_gaps(
    session: Session, held: Mapping[str, Gaps], lacking: Mapping[str, RangeSet], now: datetime
) -> None:
    """Keep since when the archive has lacked these numbers; `held` is what was kept before."""
    if _after(held, lacking, now) == held:
        return
    with session.transaction() as cursor:
        cursor.execute(LOCK_WRITERS)
        before = _gaps(cursor)
        old, new = _gap_rows(before), _gap_rows(_after(before, lacking, now))
        row_changes.delete(cursor, ARCHIVE_GAPS, sorted(old - new))
        row_changes.insert(cursor, ARCHIVE_GAPS, sorted(new - old))


def _book(session: Session, read: Sequence[_Read], now: datetime) -> None:
    """One step: the objects and their numbers together, or neither."""
    found: dict[str, list[RangeSet]] = {}
    for done in read:
        for source, numbers in done.numbers.items():
            found.setdefault(source, []).append(numbers)
    with session.transaction() as cursor:
        cursor.execute(LOCK_WRITERS)
        held = _ranges(cursor, found)
        old, new = [], []
        for source, some in found.items():
            before = held.get(source, RangeSet())
            after = RangeSet.union_of((before, *some))
            old += [(source, *bounds) for bounds in before.unlike(after).pairs()]
            new += [(source, *bounds) for bounds in after.unlike(before).pairs()]
        row_changes.delete(cursor, ARCHIVE_RANGES, old)
        row_changes.insert(cursor, ARCHIVE_RANGES, new)
        merge_rows(cursor, ARCHIVE_OBJECTS, [(done.key, done.etag, done.records, now) for done in read])


def _ranges(cursor: Cursor, sources: Collection[str] = ()) -> dict[str, RangeSet]:
    """The numbers that the archive holds, of these sources; without any, of all."""
    query, some = "SELECT source, first_number, last_number FROM archive_ranges", sorted(sources)
    if 0 < len(some) <= _SOURCES_PER_QUERY:
        query += f" WHERE source IN ({', '.join(['%s'] * len(some))})"
        cursor.execute(query, some)
    else:
        cursor.execute(query)
    bounds: dict[str, list[tuple[int, int]]] = {}
    for source, first, last in cast("Iterable[tuple[str, int, int]]", cursor):
        bounds.setdefault(source, []).append((first, last))
    return {source: RangeSet.of(*pairs) for source, pairs in bounds.items()}


def _gaps(cursor: Cursor) -> dict[str, dict[datetime, RangeSet]]:
    cursor.execute("SELECT source, first_number, last_number, noticed_at FROM archive_gaps")
    bounds: dict[str, dict[datetime, list[tuple[int, int]]]] = {}
    for source, first, last, at in cast("Iterable[_GapRow]", cursor):
        bounds.setdefault(source, {}).setdefault(at, []).append((first, last))
    return {
        source: {at: RangeSet.of(*pairs) for at, pairs in gaps.items()} for source, gaps in bounds.items()
    }


def _after(
    held: Mapping[str, Gaps], lacking: Mapping[str, RangeSet], now: datetime
) -> dict[str, dict[datetime, RangeSet]]:
    after = {source: gaps_after(held.get(source, {}), numbers, now) for source, numbers in lacking.items()}
    return {source: gaps for source, gaps in after.items() if gaps}


def _gap_rows(gaps: Mapping[str, Gaps]) -> set[_GapRow]:
    return {
        (source, *bounds, at)
        for source, by_moment in gaps.items()
        for at, numbers in by_moment.items()
        for bounds in numbers.pairs()
    }
