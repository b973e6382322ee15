"""The books that reconcile judges by: one state of the ledger, of what producers say, and of the outputs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from msgspec import UNSET, UnsetType

from headrace.schemas.targets.sql import quote
from headrace.warehouse.ledger import SourceLedger
from headrace.warehouse.ledger_store import collect
from headrace.warehouse.literals import literal
from headrace.warehouse.reader import Read, Rows, Statement
from headrace.warehouse.report import ArchiveTotals, OutputReport, Report, Said, SourceReport, judge


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


def read_books(read: Read) -> Books:
    """All of them, of one state.

    Which tables must be added up stands in a table: it is read first, and all again if it changed meanwhile.
    """
    (outputs,) = read(_OUTPUTS)
    while True:
        expected = _expected(outputs)
        outputs, frontier, ranges, said, types, *sums = read(
            _OUTPUTS, _FRONTIER, _RANGES, _SAID, _TYPES, *_sums(expected)
        )
        if _expected(outputs).keys() == expected.keys():
            break
    ledgers = collect(ranges.rows)
    held = dict(cast("list[tuple[str, int]]", [row for found in sums for row in found.rows]))
    lines = [
        OutputReport(name=name, records=held[name], expected=due) for name, due in _expected(outputs).items()
    ]
    [(newest,)] = cast("list[tuple[datetime | None]]", frontier.rows)
    return Books(newest, ledgers, said_of(said), lines, _whole(types, ledgers))


_OUTPUTS = Statement(
    "SELECT outputs.output, CAST(COALESCE(types.records, 0) - outputs.records_at_birth AS BIGINT) "
    "FROM ledger_outputs AS outputs LEFT JOIN ledger_types AS types "
    "ON types.record_type = outputs.record_type WHERE NOT outputs.retired ORDER BY outputs.output"
)
"""Every output that the job in charge writes, and how many records it should hold."""

_FRONTIER = Statement("SELECT frontier FROM frontier")
_RANGES = Statement("SELECT source, fate, first_number, last_number FROM ledger_ranges")
_TYPES = Statement("SELECT CAST(COALESCE(SUM(records), 0) AS BIGINT) FROM ledger_types")
_SAID = Statement(
    "SELECT source, spooled, acknowledged, closed, status_at, duplicates_dropped, highest, replayed, "
    "updated_at FROM ledger_sources"
)


def _expected(outputs: Rows) -> dict[str, int]:
    return dict(cast("list[tuple[str, int]]", outputs.rows))


def _sums(names: Iterable[str]) -> list[Statement]:
    """One statement for the records of all outputs, by name; none without outputs."""
    sums = [
        f"SELECT {literal(name)}, CAST(COALESCE(SUM(records), 0) AS BIGINT) FROM {quote(name)}"  # noqa: S608  a declared name
        for name in names
    ]
    return [Statement(" UNION ALL ".join(sums))] if sums else []


def said_by(source: str) -> Statement:
    """The question what one source's producer said, and what came of it; `said_of` reads the answer."""
    return Statement(f"{_SAID.text} WHERE source = %s", [source])


def said_of(found: Rows) -> dict[str, Said]:
    """What producers said, by source."""
    rows = cast("list[tuple[str, int, int, bool, datetime | None, int, int, int, datetime]]", found.rows)
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


def _whole(types: Rows, ledgers: Mapping[str, SourceLedger]) -> OutputReport:
    """The types' counts against the numbers: they differ when a record was let in twice."""
    [(records,)] = cast("list[tuple[int]]", types.rows)
    counted = sum(ledger.counted.size for ledger in ledgers.values())
    return OutputReport(name="ledger", records=records, expected=counted)
