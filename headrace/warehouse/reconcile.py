"""The proof from the outside: is every record that was sent accounted for, once, in every output?"""

from datetime import datetime
from typing import cast

from psycopg import sql

from headrace.errors import RetryError, WriteOffRefused
from headrace.ops.clock import Clock
from headrace.warehouse.batch_writer import read_frontier
from headrace.warehouse.ledger import SourceLedger
from headrace.warehouse.ledger_store import collect, read_sources, write_changes
from headrace.warehouse.postgresql import LOCK_WRITERS
from headrace.warehouse.ranges import RangeSet
from headrace.warehouse.report import OutputReport, Report, Said, is_silent, judge
from headrace.warehouse.session import Cursor, Session

POLL_SECONDS = 0.5


def reconcile(url: str, clock: Clock, *, wait: float = 0) -> Report:
    """Judge what the warehouse at `url` holds.

    With `wait` (seconds), first let what is in flight arrive: until every shard has been read past the start
    of this call and no number is in flight, or the time is up. Raises `WarehouseUnavailable`.
    """
    session, started, deadline = Session(url), clock.now(), clock.monotonic() + wait
    try:
        while True:
            try:
                report = read_report(session, now=clock.now(), started=started)
                if clock.monotonic() >= deadline or _has_arrived(report, started):
                    return report
            except RetryError:
                if clock.monotonic() >= deadline:
                    raise
            clock.sleep(POLL_SECONDS)
    finally:
        session.close()


def read_report(session: Session, *, now: datetime, started: datetime) -> Report:
    """One report from one state of all tables."""
    with session.snapshot() as cursor:
        frontier = read_frontier(cursor)
        ledgers, said, outputs = _ledgers(cursor), _said(cursor), _outputs(cursor)
        whole = _whole(cursor, ledgers)
    lines = [
        judge(
            source,
            ledgers.get(source, SourceLedger()),
            said.get(source, Said()),
            frontier=frontier,
            started=started,
            now=now,
        )
        for source in sorted(ledgers.keys() | said.keys())
    ]
    balanced = all(line.balanced for line in lines) and all(line.balanced for line in (*outputs, whole))
    return Report(balanced=balanced, sources=lines, outputs=outputs, ledger=whole, frontier=frontier)


def write_off(url: str, clock: Clock, source: str, numbers: tuple[int, int], *, reason: str) -> None:
    """Book the `numbers` (first, last) of `source` as lost, for good; safe to repeat.

    One that arrives all the same is counted or rejected as ever, and leaves the column. When the last number
    that a silent source has given out is written off, the source is taken for dead and closed.
    Raises `WriteOffRefused` when a number is counted or rejected, or was never given out.
    """
    session, lost = Session(url), RangeSet.of(numbers)
    try:
        with session.transaction() as cursor:
            cursor.execute(LOCK_WRITERS)
            ledger = read_sources(cursor, [source])[source]
            said = _said(cursor, source).get(source, Said())
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
    return read_past and not any(line.in_flight for line in report.sources)


def _ledgers(cursor: Cursor) -> dict[str, SourceLedger]:
    cursor.execute("SELECT source, fate, first_number, last_number FROM ledger_ranges")
    return collect(cursor)


def _said(cursor: Cursor, source: str | None = None) -> dict[str, Said]:
    cursor.execute(
        "SELECT source, spooled, acknowledged, closed, status_at, duplicates_dropped, highest, replayed "
        "FROM ledger_sources WHERE source = COALESCE(%s, source)",
        [source],
    )
    rows = cast("list[tuple[str, int, int, bool, datetime | None, int, int, int]]", cursor.fetchall())
    return {
        name: Said(
            spooled=spooled,
            acknowledged=acknowledged,
            closed=closed,
            status_at=status_at,
            duplicates_dropped=dropped,
            highest=highest,
            replayed=replayed,
        )
        for name, spooled, acknowledged, closed, status_at, dropped, highest, replayed in rows
    }


def _whole(cursor: Cursor, ledgers: dict[str, SourceLedger]) -> OutputReport:
    """The types' counts against the numbers: they differ when a record was let in twice."""
    cursor.execute("SELECT CAST(COALESCE(SUM(records), 0) AS BIGINT) FROM ledger_types")
    (records,) = cast("tuple[int]", cursor.fetchone())
    counted = sum(ledger.counted.size for ledger in ledgers.values())
    return OutputReport(name="ledger", records=records, expected=counted)


def _outputs(cursor: Cursor) -> list[OutputReport]:
    """Every output that the job in charge writes: what it holds, and what it should."""
    cursor.execute(
        "SELECT outputs.output, CAST(COALESCE(types.records, 0) - outputs.records_at_birth AS BIGINT) "
        "FROM ledger_outputs AS outputs LEFT JOIN ledger_types AS types "
        "ON types.record_type = outputs.record_type WHERE NOT outputs.retired ORDER BY outputs.output"
    )
    lines = []
    for name, expected in cast("list[tuple[str, int]]", cursor.fetchall()):
        cursor.execute(
            sql.SQL("SELECT CAST(COALESCE(SUM(records), 0) AS BIGINT) FROM {}").format(sql.Identifier(name))
        )
        (records,) = cast("tuple[int]", cursor.fetchone())
        lines.append(OutputReport(name=name, records=records, expected=expected))
    return lines
