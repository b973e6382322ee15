"""The proof from the outside: is every record that was sent accounted for, once, in every output?"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from urllib.parse import urlsplit

from headrace.errors import RetryError, SettingsError, WriteOffRefused
from headrace.ops.clock import Clock
from headrace.warehouse.archive_report import judge_archive
from headrace.warehouse.archive_store import Archive, Progress, note_gaps, read_archived, take_in
from headrace.warehouse.books import read_books, said_by, said_of
from headrace.warehouse.ledger import SourceLedger
from headrace.warehouse.ledger_store import read_sources, write_changes
from headrace.warehouse.opening import open_session
from headrace.warehouse.operators import open_operator
from headrace.warehouse.ranges import RangeSet
from headrace.warehouse.reader import Operator, Reader
from headrace.warehouse.report import Report, Said, is_silent
from headrace.warehouse.session import Session
from headrace.warehouse.session_operator import read_by
from headrace.warehouse.system_tables import LOCK_WRITERS

POLL_SECONDS, ARCHIVE_POLL_SECONDS = 0.5, 2.0
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class ArchiveCheck:
    """Hold the ledger against the archive too.

    Args:
        archive: the objects.
        due_seconds: by when after its count a number must be in them.
        progress: told how many of the new objects are read.
    """

    archive: Archive
    due_seconds: float
    progress: Progress = lambda _done, _of: None


def reconcile(
    url: str,
    clock: Clock,
    *,
    wait: float = 0,
    check: ArchiveCheck | None = None,
    environ: Mapping[str, str] = _NOTHING,
) -> Report:
    """Judge what the warehouse at `url` holds, and with `check` whether the archive holds the same.

    With `wait` (seconds), first let what is in flight arrive: until every shard has been read past the start
    of this call and no number is in flight, or the time is up. `environ` has the AWS settings for the Data
    API, over which there can be no `check`: what is read of the archive is booked under the writers' lock.
    Raises `WarehouseUnavailable`, and with `check` what reading the archive raises.
    """
    started, deadline = clock.now(), clock.monotonic() + wait
    asked: Session | Operator
    if check is None:
        asked = open_operator(url, clock, environ)
        judge = partial(_read, asked, clock, started)
    else:
        asked = _writing_session(url, "--archive")
        judge = partial(_checked, asked, clock, check, started)
    try:
        while True:
            try:
                report = judge()
                if clock.monotonic() >= deadline or _has_arrived(report, started):
                    return report
            except RetryError:
                if clock.monotonic() >= deadline:
                    raise
            clock.sleep(ARCHIVE_POLL_SECONDS if check else POLL_SECONDS)
    finally:
        asked.close()


def _writing_session(url: str, what: str) -> Session:
    if urlsplit(url).scheme == "redshift-data":
        raise SettingsError(
            f"HEADRACE_WAREHOUSE_URL: {what} decides and writes under one lock, which the Data API cannot "
            "hold; call it with redshift://… from where that reaches, a task or the cluster"
        )
    return open_session(url)


def _checked(session: Session, clock: Clock, check: ArchiveCheck, started: datetime) -> Report:
    """Read what is new in the archive, judge, and note since when it has lacked what it lacks."""
    due = clock.now() - timedelta(seconds=check.due_seconds)  # what it holds is asked for after this moment
    take_in(session, clock, check.archive, check.progress)
    now = clock.now()
    with session.snapshot() as cursor:
        books, archived = read_books(read_by(cursor)), read_archived(cursor)
    lacking = {
        source: ledger.counted - archived.ranges.get(source, RangeSet())
        for source, ledger in books.ledgers.items()
    }
    note_gaps(session, archived.gaps, lacking, now)
    lines = [
        judge_archive(
            line,
            books.ledgers.get(line.source, SourceLedger()),
            archived,
            arrived_by=books.said.get(line.source, Said()).updated_at,
            due=due,
            frontier=books.frontier,
        )
        for line in books.lines(now=now, started=started, also=archived.ranges)
    ]
    return books.report(lines, archive=archived.totals)


def _read(reader: Reader, clock: Clock, started: datetime) -> Report:
    """One report from one state of all tables."""
    books = read_books(reader.read)
    return books.report(books.lines(now=clock.now(), started=started))


def write_off(url: str, clock: Clock, source: str, numbers: tuple[int, int], *, reason: str) -> None:
    """Book the `numbers` (first, last) of `source` as lost, for good; safe to repeat.

    One that arrives all the same is counted or rejected as ever, and leaves the column. When the last number
    that a silent source has given out is written off, the source is taken for dead and closed.
    Raises `WriteOffRefused` when a number is counted or rejected, or was never given out.
    """
    session, lost = _writing_session(url, "--write-off"), RangeSet.of(numbers)
    try:
        with session.transaction() as cursor:
            cursor.execute(LOCK_WRITERS)
            ledger = read_sources(cursor, [source])[source]
            said = said_of(read_by(cursor)(said_by(source))[0]).get(source, Said())
            _check(source, lost, ledger, said.sent)
            now = clock.now()
            if lost.highest == said.sent and is_silent(said, now):
                cursor.execute("UPDATE ledger_sources SET closed = TRUE WHERE source = %s", [source])
            after = SourceLedger(ledger.counted, ledger.rejected, ledger.written_off | lost)
            if write_changes(cursor, {source: ledger}, {source: after}):
                cursor.execute(
                    "INSERT INTO ledger_write_offs (source, first_number, last_number, reason, booked_at) "
                    "VALUES (%s, %s, %s, %s, %s)",
                    [source, *numbers, reason, now],
                )
    finally:
        session.close()


def _check(source: str, numbers: RangeSet, ledger: SourceLedger, sent: int) -> None:
    if not sent:
        raise WriteOffRefused(f"no source is called {source!r}; `headrace reconcile --all` lists them")
    if not numbers or numbers.firsts[0] < 1 or numbers.highest > sent:
        raise WriteOffRefused(f"{source} has given out the numbers 1-{sent}, not {_text(numbers)}")
    if arrived := numbers & (ledger.counted | ledger.rejected):
        raise WriteOffRefused(
            f"{source}: {_text(arrived.lowest_ranges(5))} arrived and cannot be written off"
        )


def _text(numbers: RangeSet) -> str:
    return ", ".join(f"{first}-{last}" for first, last in numbers.pairs()) or "an empty range"


def _has_arrived(report: Report, started: datetime) -> bool:
    read_past = report.frontier is not None and report.frontier > started
    return read_past and not any(line.under_way for line in report.sources)
