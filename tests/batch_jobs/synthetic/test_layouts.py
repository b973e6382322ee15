"""Both layouts tell the same loans: judged by the codec that loads them, and by plain arithmetic."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from batch_jobs.synthetic import layouts
from headrace.schemas.delimited import LineReader
from headrace.schemas.loan_layouts import LAYOUTS as COLUMNS
from headrace.schemas.verdict import Rejection
from tests.batch_jobs.synthetic.books import LAYOUTS, Layout, lines, made, ndjson
from tests.batch_jobs.synthetic.conftest import Books

ONLY_ONE_TELLS = {
    "origination": {"layout", "servicer_name", "mi_cancellation_indicator", "vantagescore_4_0"},
    "performance": {
        "layout",
        "servicer_name",
        "mi_cancellation_indicator",
        "bankruptcy_cramdown_costs",
        "cumulative_modification_costs",
    },
}

pytestmark = pytest.mark.xdist_group("synthetic")


def loaded(
    books: Books, layout: Layout, kind: str, vintages: set[str]
) -> tuple[dict[Any, Any], Counter[str]]:
    """What the codec takes, by key, and the codes of all; a later line of a key is a duplicate."""
    folder, truth = books[layout]
    reader = LineReader(COLUMNS[kind, layout], losses_negative=layout == "legacy")
    rows: dict[Any, Any] = {}
    codes: Counter[str] = Counter()
    for file in truth.files:
        if file.kind == kind and file.vintage in vintages:
            bad = {
                it["line"]: it["code"]
                for it in ndjson(folder, "bad", file.vintage)
                if it["file"] == file.name
            }
            for number, line in enumerate(lines(folder, file.name), start=1):
                row = reader.read(line.encode(), source="book", number=number)
                code = row.code.value if isinstance(row, Rejection) else ""
                if not isinstance(row, Rejection):
                    key = (row.loan_identifier, getattr(row, "period", None))  # type: ignore[attr-defined]
                    code = "duplicate_key" if key in rows else ""
                    rows.setdefault(key, row)
                assert code == bad.get(number, ""), line
                codes[code] += 1
    return rows, codes


@pytest.mark.parametrize(("kind", "every"), [("origination", 1), ("performance", 6)])
def test_the_codec_rejects_the_bad_lines_and_loads_the_same_rows_of_both_layouts(
    books: Books, kind: str, every: int
) -> None:
    vintages = {file.vintage for file in books["r47"][1].files[::2][::every]}
    (r47, codes), (legacy, _) = (loaded(books, layout, kind, vintages) for layout in LAYOUTS)
    assert len(codes) >= (6 if kind == "performance" else 4)
    assert r47.keys() == legacy.keys()
    names = set(next(iter(r47.values())).__struct_fields__) - ONLY_ONE_TELLS[kind]
    for key, row in r47.items():
        other = legacy[key]
        for name in names:
            assert getattr(row, name) == getattr(other, name), (key, name)


def test_losses_are_the_sum_of_their_parts_in_both_layouts() -> None:
    counted: Counter[str] = Counter()
    for it in made(1000, "2006", "2007"):
        if it.truth.ending in {"02", "03", "09", "15"}:
            for layout in LAYOUTS:
                row = layouts.performance(it.loan, layout, it.months)[-1].strip().split("|")
                counted[check_loss(row, layout)] += 1
    assert counted["loss"] > 20
    assert counted["loss"] > 5 * counted["gain"]


def check_loss(row: list[str], layout: Layout) -> str:
    """The identities of both layouts, from the text of an ending."""
    recoveries, proceeds, others, expenses, *parts, loss = (money(row[place]) for place in range(13, 22))
    removed, accrued = money(row[26]), money(row[27])
    assert expenses == sum(parts)
    if row[14] == "U":
        return "unknown"
    if layout == "r47":
        assert loss == removed + proceeds + accrued + expenses + recoveries + others
        assert (recoveries <= 0, proceeds <= 0, others <= 0, expenses >= 0) == (True,) * 4
    else:
        assert -loss == (removed - proceeds) + accrued - expenses - recoveries - others
        assert (recoveries >= 0, proceeds >= 0, others >= 0, expenses <= 0) == (True,) * 4
        loss = -loss
    return "loss" if loss > 0 else "gain" if loss < 0 else "zero"


def money(text: str) -> Decimal:
    return Decimal(text) if text not in {"", "U"} else Decimal(0)
