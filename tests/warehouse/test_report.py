from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from headrace.warehouse.ledger import SourceLedger
from headrace.warehouse.ranges import RangeSet
from headrace.warehouse.report import RANGES_SHOWN, Said, SourceReport, fold_settled, judge
from tests.warehouse.simulation import START


@dataclass
class Line:
    """A report line of a source, built from what matters."""

    name: str = "s"
    closed: bool = True
    missing: int = 0

    def report(self) -> SourceReport:
        counts: dict[str, Any] = dict.fromkeys(
            ("counted", "sent", "rejected", "duplicates_dropped", "written_off"), 2
        )
        return SourceReport(source=self.name, missing=self.missing, in_flight=0, closed=self.closed, **counts)


def test_balanced_closed_sources_fold_into_one_line() -> None:
    lines = [
        line.report()
        for line in (Line("a"), Line("b", missing=1), Line("c"), Line("d", closed=False), Line("e"))
    ]
    folded = fold_settled(lines)
    assert [line.source for line in folded] == ["b", "d", "(3 closed sources)"]
    assert (folded[-1].sent, folded[-1].counted, folded[-1].written_off) == (6, 6, 6)


def test_a_single_closed_source_keeps_its_name() -> None:
    lines = [Line("a").report(), Line("b", missing=1).report()]
    assert fold_settled(lines) == lines


def test_replayed_records_that_had_no_number_fold_into_one_line_of_their_own() -> None:
    mended = [Line(f"replay/{letter * 64}", closed=False) for letter in "abc"]
    incomplete = Line("replay/" + "d" * 64, closed=False, missing=1)
    others = [Line("replay/by-hand", closed=False), Line("y"), Line("z")]
    folded = fold_settled([line.report() for line in (*mended, incomplete, *others)])
    assert [line.source for line in folded] == [
        incomplete.name,
        "replay/by-hand",
        "(2 closed sources)",
        "(3 replayed records without a number)",
    ]
    assert folded[-1].counted == 6


def test_a_source_with_a_million_gaps_is_reported_by_number_and_by_its_first_gaps() -> None:
    ledger = SourceLedger(counted=RangeSet.from_numbers(range(2, 2_000_001, 2)))
    found = judge(
        "s", ledger, Said(highest=2_000_000), frontier=START + timedelta(days=1), started=START, now=START
    )
    assert found.missing == 1_000_000
    assert len(found.missing_ranges) == RANGES_SHOWN
    assert msgspec.json.decode(msgspec.json.encode(found), type=SourceReport) == found


def test_the_largest_numbers_are_judged_without_being_expanded() -> None:
    top = 2**53 - 1
    said = Said(spooled=top, acknowledged=top, closed=True, status_at=START)
    found = judge("s", SourceLedger(), said, frontier=START + timedelta(seconds=1), started=START, now=START)
    assert found.missing == top
