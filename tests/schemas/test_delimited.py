import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.schemas.codec import Event, RejectCode, Rejection, decode, encode
from headrace.schemas.delimited import Cell, Layout, LineReader
from headrace.schemas.loan_layouts import FIELD_COUNTS, LAYOUTS
from headrace.schemas.registry import RECORD_TYPES
from tests.schemas.loan_lines import LEGACY_MONTH, LEGACY_ORIGINATION, R47_MONTH, R47_ORIGINATION

LINES = {
    ("origination", "r47"): R47_ORIGINATION,
    ("origination", "legacy"): LEGACY_ORIGINATION,
    ("performance", "r47"): R47_MONTH,
    ("performance", "legacy"): LEGACY_MONTH,
}
TIME = datetime(2007, 9, 1, tzinfo=UTC)


def read(kind: str, layout: str, line: str | bytes, *, losses_negative: bool = False) -> Any:
    raw = line.encode() if isinstance(line, str) else line
    reader = LineReader(LAYOUTS[kind, layout], losses_negative=losses_negative)
    return reader.read(raw, source="batch/a.txt/0", number=7)


def changed(line: str, position: int, text: str) -> str:
    """The line with another text in a column, counted from 1."""
    cells = line.split("|")
    cells[position - 1] = text
    return "|".join(cells)


def test_the_layout_of_a_file_is_told_by_its_fields() -> None:
    counted = {(kind, line.count("|") + 1): layout for (kind, layout), line in LINES.items()}
    assert counted == FIELD_COUNTS
    assert FIELD_COUNTS == {
        ("origination", 31): "r47",
        ("origination", 32): "legacy",
        ("performance", 35): "r47",
        ("performance", 32): "legacy",
    }


def test_one_loan_is_one_record_in_both_layouts() -> None:
    new, old = read("origination", "r47", R47_ORIGINATION), read("origination", "legacy", LEGACY_ORIGINATION)
    lacking = {
        "layout": "r47",
        "servicer_name": None,
        "mi_cancellation_indicator": None,
        "vantagescore_4_0": 701,
    }
    assert new == msgspec.structs.replace(old, **lacking)
    assert (new.postal_code, new.mi_percent, new.super_conforming_flag) == ("606", 0, "N")
    assert (new.first_payment_date, new.original_interest_rate) == (date(2005, 3, 1), Decimal("5.875"))


def test_one_month_is_one_record_in_both_layouts_whatever_the_sign_of_its_loss() -> None:
    new = read("performance", "r47", R47_MONTH)
    old = read("performance", "legacy", LEGACY_MONTH, losses_negative=True)
    lacking = {"layout": "r47", "servicer_name": "OTHER", "mi_cancellation_indicator": "7"}
    assert new == msgspec.structs.replace(old, **lacking)
    assert (new.actual_loss, new.net_sales_proceeds, new.total_expenses) == (
        Decimal("63258.06"),
        Decimal("-120000.00"),
        Decimal(9000),
    )


@pytest.mark.parametrize(
    ("position", "text", "expected"),
    [
        (1, "9999", {"classic_fico": None}),
        (1, "0745", {"classic_fico": 745}),
        (6, "6", {"mi_percent": 6}),
        (6, "999", {"mi_percent": None}),
        (7, "99", {"number_of_units": None}),
        (11, "180000.00", {"original_upb": Decimal("180000.00")}),
        (13, "6.5", {"original_interest_rate": Decimal("6.5")}),
        (19, "000", {"postal_code": None}),
        (19, "028", {"postal_code": "028"}),
        (23, "02", {"number_of_borrowers": 2}),
        (24, "Other sellers", {"seller_name": "OTHER"}),
        (24, '"A" BANK', {"seller_name": '"A" BANK'}),
        (28, "", {"harp_indicator": "N"}),
        (29, "7", {"property_valuation_method": None}),
    ],
)
def test_a_cell_of_an_origination_means(position: int, text: str, expected: dict[str, object]) -> None:
    record = read("origination", "r47", changed(R47_ORIGINATION, position, text))
    assert {name: getattr(record, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "months", "owned"),
    [
        ("00", 0, False),
        ("0", 0, False),
        ("162", 162, False),
        ("99", 99, False),
        ("RA", None, True),
        ("XX", None, False),
        ("", None, False),
    ],
)
def test_a_delinquency_status_is_months_or_ownership(text: str, months: int | None, owned: bool) -> None:
    record = read("performance", "r47", changed(R47_MONTH, 4, text))
    assert (record.delinquency_months, record.real_estate_owned) == (months, owned)


def test_proceeds_may_be_unknown_which_is_not_none() -> None:
    unknown = read("performance", "r47", changed(R47_MONTH, 15, "U"))
    nothing = read("performance", "r47", changed(R47_MONTH, 15, ""))
    assert (unknown.net_sales_proceeds, unknown.net_sales_proceeds_unknown) == (None, True)
    assert (nothing.net_sales_proceeds, nothing.net_sales_proceeds_unknown) == (None, False)


@pytest.mark.parametrize(
    ("position", "text", "code"),
    [
        (1, "745.0", RejectCode.WRONG_TYPE),
        (1, "7e2", RejectCode.WRONG_TYPE),
        (1, " 745", RejectCode.WRONG_TYPE),
        (1, "٧٤٥", RejectCode.WRONG_TYPE),
        (1, "299", RejectCode.OUT_OF_RANGE),
        (2, "200513", RejectCode.BAD_VALUE),
        (2, "20053", RejectCode.BAD_VALUE),
        (2, "2005-03-01", RejectCode.BAD_VALUE),
        (2, "", RejectCode.WRONG_TYPE),
        (8, "X", RejectCode.BAD_VALUE),
        (11, "1e5", RejectCode.WRONG_TYPE),
        (11, "180000.", RejectCode.WRONG_TYPE),
        (11, "180000.005", RejectCode.BAD_VALUE),
        (20, "F05Q50000001", RejectCode.BAD_VALUE),
        (20, "F05Q10000001 ", RejectCode.TOO_LONG),
        (24, "B" * 61, RejectCode.TOO_LONG),
        (24, "a\0b", RejectCode.NUL_CHARACTER),
        (31, "701|", RejectCode.FIELD_COUNT),
    ],
)
def test_a_cell_that_is_not_what_its_field_asks_for_rejects_the_line(
    position: int, text: str, code: RejectCode
) -> None:
    verdict = read("origination", "r47", changed(R47_ORIGINATION, position, text))
    assert (verdict.code if isinstance(verdict, Rejection) else None) == code


def test_a_rejected_line_is_kept_whole_under_its_number_with_every_reason() -> None:
    line = changed(changed(R47_ORIGINATION, 1, "1.0"), 8, "X")
    verdict = read("origination", "r47", line)
    assert isinstance(verdict, Rejection)
    assert (verdict.raw, verdict.source, verdict.sequence) == (line.encode(), "batch/a.txt/0", 7)
    assert verdict.record_type == "loan_origination.v1"
    assert [error.path for error in verdict.errors] == ["$.data.classic_fico", "$.data.occupancy_status"]


def test_a_line_end_of_two_characters_is_one_line_end() -> None:
    assert read("performance", "r47", R47_MONTH + "\r") == read("performance", "r47", R47_MONTH)


def test_bytes_that_are_no_text_are_a_verdict() -> None:
    verdict = read("performance", "r47", R47_MONTH.encode() + b"\xff")
    assert isinstance(verdict, Rejection)
    assert verdict.code == RejectCode.BAD_TEXT


NUMBERS = ("9", "99", "999", "9999", "00", "007", "-0", "-0.00", "1.0", "1e2", "12345678901", "0.005")
WORDS = ("U", "RA", "XX", "Y", "N", "200502", "200500", "209912", "220001", "F05Q10000001", '"', "\\")
cells = st.one_of(
    st.sampled_from(["", *NUMBERS, *WORDS, "ä" * 31]),
    st.from_regex(r"-?[0-9]{0,12}(\.[0-9]{0,3})?", fullmatch=True),
    st.text(max_size=5).filter(lambda text: "|" not in text),
)


@given(
    st.sampled_from(sorted(LINES)),
    st.lists(st.tuples(st.integers(1, 32), cells), max_size=3),
    st.booleans(),
)
@example(("performance", "r47"), [(14, "-0.00")], True)
def test_a_line_and_the_same_record_as_an_event_get_one_verdict(
    kind: tuple[str, str], changes: list[tuple[int, str]], losses_negative: bool
) -> None:
    line = LINES[kind]
    for position, text in changes:
        line = changed(line, min(position, line.count("|") + 1), text)
    reader = LineReader(LAYOUTS[kind], losses_negative=losses_negative)
    try:
        raw = line.encode()
    except UnicodeEncodeError:  # half a surrogate pair is in no file
        return
    verdict = reader.read(raw, source="s", number=1)
    texts = line.removesuffix("\r").split("|")
    singly = {cell.name: reader.value(cell.name, texts[at]) for at, cell in reader.layout.cells}
    if isinstance(verdict, Rejection):
        assert verdict.raw == raw
        assert not all(good for good, _ in singly.values())
        return
    assert {name: value for name, (_, value) in singly.items()} == {
        name: getattr(verdict, name) for name in singly
    }
    event = decode(encode("s", 1, TIME, verdict))
    assert isinstance(event, Event)
    assert event.data == verdict


def test_every_member_of_a_record_type_is_given_by_one_layout_at_least() -> None:
    for kind, name in (("origination", "loan_origination.v1"), ("performance", "loan_performance.v1")):
        given = {cell.name for key, layout in LAYOUTS.items() if key[0] == kind for _, cell in layout.cells}
        assert given | {"layout"} == {field.name for field in RECORD_TYPES[name].fields}


def test_a_layout_that_could_give_no_record_is_refused() -> None:
    record_type = RECORD_TYPES["loan_performance.v1"]
    whole = LAYOUTS["performance", "legacy"].columns
    for columns in (whole[1:], (*whole, whole[0])):
        with pytest.raises(ValueError, match="loan_identifier"):
            Layout("odd", record_type, columns)
    with pytest.raises(ValueError, match="no field"):
        Layout("odd", record_type, (*whole, (Cell("colour"),)))


def test_the_json_of_a_line_is_what_a_person_would_write() -> None:
    record = read("performance", "r47", R47_MONTH)
    data = json.loads(encode("s", 1, TIME, record))["data"]
    assert data["period"] == "2007-09-01"
    assert data["actual_loss"] == 63258.06
    assert "legal_costs" not in data
