from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.schemas.codec import Event, RejectCode, Rejection, decode
from headrace.schemas.limits import DATE_BEFORE, DATE_FROM, broken, exact
from headrace.schemas.record_type import Field
from headrace.schemas.registry import RECORD_TYPES
from tests.schemas.examples import good_examples

ORIGINATION = RECORD_TYPES["loan_origination.v1"]
PLAIN = next(e.raw for e in good_examples() if e.record_type == ORIGINATION.name and "plain" in e.name)


def field(name: str) -> Field:
    return ORIGINATION.field(name)


def with_balance(text: str) -> bytes:
    assert b'"original_upb": 180000,' in PLAIN
    return PLAIN.replace(b'"original_upb": 180000,', b'"original_upb": %b,' % text.encode())


def code_of(verdict: Event | Rejection) -> RejectCode | None:
    return verdict.code if isinstance(verdict, Rejection) else None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0", None),
        ("-0", None),
        ("0.0", None),
        ("180000.00", None),
        ("9999999999.99", None),
        ("10000000000", RejectCode.OUT_OF_RANGE),
        ("-0.01", RejectCode.OUT_OF_RANGE),
        ("1.000", RejectCode.BAD_VALUE),
        ("1.005", RejectCode.BAD_VALUE),
        ("1e2", RejectCode.WRONG_TYPE),
        ("1E+2", RejectCode.WRONG_TYPE),
        ("1e999999999", RejectCode.WRONG_TYPE),
        ('"180000"', RejectCode.WRONG_TYPE),
        ('"NaN"', RejectCode.WRONG_TYPE),
        (' "1_000"', RejectCode.WRONG_TYPE),
        ("true", RejectCode.WRONG_TYPE),
        ("null", RejectCode.WRONG_TYPE),
        ("01", RejectCode.NOT_JSON),
        ("1.", RejectCode.NOT_JSON),
    ],
)
def test_a_decimal_is_a_plain_number_within_its_digits(text: str, code: RejectCode | None) -> None:
    assert code_of(decode(with_balance(text))) == code


def test_a_decimal_keeps_every_digit_that_was_written() -> None:
    event = decode(with_balance("9007199254.01"))
    assert isinstance(event, Event)
    assert str(event.data.original_upb) == "9007199254.01"


def test_a_number_hidden_behind_an_escaped_key_is_judged_all_the_same() -> None:
    raw = PLAIN.replace(b'"original_upb": 180000,', rb'"original\u005fupb": "180000",')
    assert code_of(decode(raw)) == RejectCode.WRONG_TYPE


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_no_decimal_that_is_let_through_needs_more_digits_than_the_column_has(value: Decimal) -> None:
    if broken(value, field("original_upb")) is None:
        assert 0 <= value <= Decimal("9999999999.99")
        assert value == value.quantize(Decimal("0.01"))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (DATE_FROM, None),
        (date(1899, 12, 1), RejectCode.OUT_OF_RANGE),
        (date(2199, 12, 1), None),
        (DATE_BEFORE, RejectCode.OUT_OF_RANGE),
        (date(2005, 3, 2), RejectCode.BAD_VALUE),
    ],
)
def test_a_month_is_its_first_day_in_years_that_every_target_has(
    value: date, code: RejectCode | None
) -> None:
    found = broken(value, field("maturity_date"))
    assert (found and found[0]) == code


@pytest.mark.parametrize(("low", "high"), [("0", "1000"), ("-100.5", "0"), ("0.001", "1"), ("-1000", "0")])
def test_a_bound_that_the_column_could_not_hold_is_refused(low: str, high: str) -> None:
    exact(5, 2, low="-999.99", high="999.99")
    with pytest.raises(ValueError, match=r"no decimal\(4, 0\)|no decimal\(5, 2\)"):
        exact(*((4, 0) if "5" in low else (5, 2)), low=low, high=high)


@pytest.mark.parametrize("text", ["P\n", "p", "", "PI", "P|I"])
def test_a_choice_is_one_of_its_words_and_nothing_around_it(text: str) -> None:
    assert broken("P", field("occupancy_status")) is None
    assert broken(text, field("occupancy_status")) is not None
