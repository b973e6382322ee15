"""The whole batch pipeline on a small dirty book, against a plain reading of its text."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.laptop import Laptop, whole

LOANS = 2_000


def plain_reading(book: Path) -> tuple[int, dict[str, tuple[int, Decimal, int, int]]]:
    """Lines of all months; per vintage good rows, their balances, months past due, and months of ownership.

    Which lines are bad says the generator, which knows nothing of the codec.
    """
    lines, found = 0, {}
    for file in sorted(book.glob("perf_*.txt")):
        vintage = file.stem.removeprefix("perf_")
        told = map(json.loads, (book / f"bad_{vintage}.ndjson").read_text().splitlines())
        bad = {entry["line"] for entry in told if entry["file"] == file.name}
        every = file.read_text().splitlines()
        good = [line.split("|") for number, line in enumerate(every, 1) if number not in bad]
        found[vintage] = (
            len(good),
            sum((Decimal(cells[2]) for cells in good if cells[2]), Decimal(0)),
            sum(int(cells[3]) for cells in good if cells[3].isdigit()),
            sum(cells[3] == "RA" for cells in good),
        )
        lines += len(every)
    return lines, found


def due(book: Path, kind: str) -> Counter[str]:
    """Rejects by code, as the generator knows them."""
    files = json.loads((book / "truth.json").read_text())["files"]
    counted: Counter[str] = Counter()
    for file in files:
        if file["kind"] == kind:
            counted.update(file["rejected"])
    return counted


@pytest.mark.stack
@pytest.mark.spark
@pytest.mark.timeout(900)
def test_every_line_of_a_book_is_a_row_everywhere_or_a_reject_and_the_tree_passes(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path / "state")
    try:
        report = json.loads(laptop.headrace("batch", "run", "--loans", str(LOANS), "--json", timeout=800))
        warehouse = laptop.rows(
            "select vintage, count(*) as n, sum(current_actual_upb) as upb, sum(delinquency_months) as late, "
            "count(*) filter (where real_estate_owned) as owned from loan_performance group by vintage"
        )
        rejects = laptop.rows(
            "select code, sum(seen) as lines from rejects where stage = 'batch' group by code"
        )
    finally:
        laptop.headrace("down", "--now")
    book = laptop.state / "synthetic"
    originations, months = report["tables"]
    lines, expected = plain_reading(book)
    assert report["balanced"]
    assert {row["vintage"]: figures(row) for row in warehouse} == expected
    assert (months["lines"], months["rows"]) == (lines, sum(row[0] for row in expected.values()))
    assert (months["in_warehouse"], months["in_mysql"]) == (months["rows"], months["rows"])
    assert originations["rows"] == LOANS
    codes = due(book, "performance"), due(book, "origination")
    assert (Counter(months["codes"]), Counter(originations["codes"])) == codes
    assert {row["code"]: whole(row["lines"]) for row in rejects} == dict(codes[0] + codes[1])
    assert report["auc"] >= 0.7


def figures(row: dict[str, Any]) -> tuple[int, Decimal, int, int]:
    return whole(row["n"]), Decimal(str(row["upb"])), whole(row["late"]), whole(row["owned"])
