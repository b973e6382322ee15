"""The truth of a book against its files, read as plain text."""

import hashlib
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from batch_jobs.synthetic.truth import FileTruth
from tests.batch_jobs.synthetic.books import ID, LAYOUTS, Layout, good_rows, lines, ndjson
from tests.batch_jobs.synthetic.conftest import Books

FIELDS = {"origination": {"r47": 31, "legacy": 32}, "performance": {"r47": 35, "legacy": 32}}
MONEY = {  # 1-based, in either layout
    "current_actual_upb": 3,
    "current_non_interest_bearing_upb": 12,
    "mi_recoveries": 14,
    "net_sales_proceeds": 15,
    "non_mi_recoveries": 16,
    "total_expenses": 17,
    "legal_costs": 18,
    "maintenance_and_preservation_costs": 19,
    "taxes_and_insurance": 20,
    "miscellaneous_expenses": 21,
    "actual_loss": 22,
    "cumulative_modification_costs": 23,
    "zero_balance_removal_upb": 27,
    "delinquent_accrued_interest": 28,
    "current_period_modification_costs": 31,
    "current_interest_bearing_upb": 32,
    "bankruptcy_cramdown_costs": 35,
}
TURNED = range(14, 23)  # signs that the legacy layout turns

pytestmark = [pytest.mark.xdist_group("synthetic"), pytest.mark.parametrize("layout", LAYOUTS)]


def files(books: Books, layout: Layout, kind: str) -> list[FileTruth]:
    return [file for file in books[layout][1].files if file.kind == kind]


@pytest.mark.parametrize("kind", ["origination", "performance"])
def test_every_file_has_its_lines_bytes_and_hash(books: Books, layout: Layout, kind: str) -> None:
    folder, _ = books[layout]
    for file in files(books, layout, kind):
        data = (folder / file.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.bytes, file.sha256)
        assert data.count(b"\n") == file.lines == file.rows + sum(file.rejected.values())


@pytest.mark.parametrize("kind", ["origination", "performance"])
def test_good_lines_have_the_fields_of_their_layout_and_are_sorted_by_a_key_that_is_theirs_alone(
    books: Books, layout: Layout, kind: str
) -> None:
    folder, _ = books[layout]
    for file in files(books, layout, kind):
        rows = list(good_rows(folder, [file]))
        assert {len(row) for row in rows} == {FIELDS[kind][layout]}
        assert len(rows) == file.rows
        keys = [(row[ID[kind]], row[1] if kind == "performance" else "") for row in rows]
        assert keys == sorted(set(keys))


def test_bad_lines_are_as_many_as_said_and_each_is_as_bad_as_said(books: Books, layout: Layout) -> None:
    folder, truth = books[layout]
    defects: Counter[str] = Counter()
    for file in truth.files:
        text = lines(folder, file.name)
        bad = [it for it in ndjson(folder, "bad", file.vintage) if it["file"] == file.name]
        assert Counter(it["code"] for it in bad) == file.rejected
        for it in bad:
            fields = text[it["line"] - 1].split("|")
            assert (len(fields) != FIELDS[file.kind][layout]) == (it["code"] == "field_count")
            if it["code"] == "duplicate_key":
                place, count = ID[file.kind], 2 if file.kind == "performance" else 1
                key = fields[place : place + count]
                same = [n for n, line in enumerate(text) if line.split("|")[place : place + count] == key]
                assert same[0] < it["line"] - 1
            defects[it["defect"]] += 1
    assert len(defects) == 12
    assert min(defects.values()) >= 5
    assert sum(file.lines - file.rows for file in truth.files) == pytest.approx(
        0.03 * sum(file.rows for file in truth.files), rel=0.2
    )


def test_sums_of_money_are_those_of_the_good_lines(books: Books, layout: Layout) -> None:
    folder, _ = books[layout]
    summed: Counter[str] = Counter()
    for row in good_rows(folder, files(books, layout, "performance")):
        for name, place in MONEY.items():
            if place <= len(row) and row[place - 1] not in {"", "U"}:
                sign = -1 if layout == "legacy" and place in TURNED else 1
                summed[name] += sign * int(Decimal(row[place - 1]) * 100)
    told: Counter[str] = Counter()
    for file in files(books, layout, "performance"):
        told.update({name: int(value * 100) for name, value in file.sums.items()})
    assert {name: cents for name, cents in told.items() if cents} == {
        name: cents for name, cents in summed.items() if cents
    }
    assert told["actual_loss"] > 0 > told["net_sales_proceeds"]
    upb = sum(Decimal(row[10]) for row in good_rows(folder, files(books, layout, "origination")))
    assert sum(file.sums["original_upb"] for file in files(books, layout, "origination")) == upb


def test_the_fate_of_each_loan_is_the_one_that_its_rows_tell(books: Books, layout: Layout) -> None:
    folder, truth = books[layout]
    firsts = {row[19]: months(row[1]) for row in good_rows(folder, files(books, layout, "origination"))}
    rows: dict[str, list[list[str]]] = {}
    for row in good_rows(folder, files(books, layout, "performance")):
        rows.setdefault(row[0], []).append(row)
    told = [
        it for file in files(books, layout, "origination") for it in ndjson(folder, "truth", file.vintage)
    ]
    assert sorted(firsts) == sorted(rows) == sorted(it["loan_identifier"] for it in told)
    for it in told:
        assert label(firsts[it["loan_identifier"]], rows[it["loan_identifier"]]) == it["bad"]
        assert len(rows[it["loan_identifier"]]) == it["rows"]
        assert rows[it["loan_identifier"]][-1][8] == it["ending"]
        assert 0 < it["probability"] < 1
    assert truth.known == sum(it["bad"] is not None for it in told)
    assert truth.bad == sum(it["bad"] is True for it in told) > 0


def label(first_payment: int, rows: list[list[Any]]) -> bool | None:
    """As the model's label: 90 days late, REO or a loss within 24 months from the first payment."""
    codes = {row[8] for row in rows}
    if codes & {"16", "96"}:
        return None
    window = [row for row in rows if 0 <= months(row[1]) - first_payment < 24]
    if any(row[3] == "RA" or row[8] in {"02", "03", "09", "15"} for row in window):
        return True
    if any(row[3] != "XX" and int(row[3]) >= 3 for row in window):
        return True
    seen = months(rows[-1][1]) - first_payment >= 23 or codes != {""}
    return False if seen else None


def months(yyyymm: str) -> int:
    return 12 * int(yyyymm[:4]) + int(yyyymm[4:])
