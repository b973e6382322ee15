"""The books that reconcile judges by: one state of the ledger, of what producers say, and of the outputs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from msgspec import UNSET, UnsetType

from headrace.schemas.targets.sql import quote
from headrace.warehouse.batch_writer import read_frontier
from headrace.warehouse.ledger import SourceLedger
from headrace.warehouse.ledger_store import collect
from headrace.warehouse.report import ArchiveTotals, OutputReport, Report, Said, SourceReport, judge
from headrace.warehouse.session import Cursor


@dataclass(frozen=True)
class Books:
    """See `Report` for what each part means."""

    frontier: datetime | None
    ledgers: Mapping[str, SourceLedger]
    said: Mapping[str, Said]
    outputs: Sequence[OutputReport]
    whole: OutputReport

    def lines(self, *, now: datetime, started: datetime, also: Iterable[str] = ()) -> list[SourceReport]:
        """The account of every source by name, and of those that are in no book (`also`)."""
        return [
            judge(
                source,
                self.ledgers.get(source, SourceLedger()),
                self.said.get(source, Said()),
                frontier=self.frontier,
                started=started,
                now=now,
            )
            for source in sorted({*self.ledgers, *self.said, *also})
        ]

    def report(self, lines: Sequence[SourceReport], *, archive: ArchiveTotals | UnsetType = UNSET) -> Report:
        """The proof, of these lines."""
        outputs = (*self.outputs, self.whole)
        return Report(
            balanced=all(line.balanced for line in lines) and all(line.balanced for line in outputs),
            sources=list(lines),
            outputs=list(self.outputs),
            ledger=self.whole,
            frontier=self.frontier,
            archive=archive,
        )


def read_books(cursor: Cursor) -> Books:
    """All of them, in the caller's snapshot."""
    ledgers = _ledgers(cursor)
    return Books(read_frontier(cursor), ledgers, read_said(cursor), _outputs(cursor), _whole(cursor, ledgers))


def _ledgers(cursor: Cursor) -> dict[str, SourceLedger]:
    cursor.execute("SELECT source, fate, first_number, last_number FROM ledger_ranges")
    return collect(cursor)


def read_said(cursor: Cursor, source: str | None = None) -> dict[str, Said]:
    """What the producers said, and what came of it: of one source, or of all."""
    cursor.execute(
        "SELECT source, spooled, acknowledged, closed, status_at, duplicates_dropped, highest, replayed, "
        "updated_at FROM ledger_sources WHERE source = COALESCE(%s, source)",
        [source],
    )
    rows = cast(
        "list[tuple[str, int, int, bool, datetime | None, int, int, int, datetime]]", cursor.fetchall()
    )
    return {
        name: Said(
            spooled=spooled,
            acknowledged=acknowledged,
            closed=closed,
            status_at=status_at,
            duplicates_dropped=dropped,
            highest=highest,
            replayed=replayed,
            updated_at=updated_at,
        )
        for name, spooled, acknowledged, closed, status_at, dropped, highest, replayed, updated_at in rows
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
            f"SELECT CAST(COALESCE(SUM(records), 0) AS BIGINT) FROM {quote(name)}"  # noqa: S608  a declared name
        )
        (records,) = cast("tuple[int]", cursor.fetchone())
        lines.append(OutputReport(name=name, records=records, expected=expected))
    return lines
