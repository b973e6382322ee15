import re
from datetime import date

from hypothesis import example, given
from hypothesis import strategies as st

from headrace.schemas.records.user_signup import DATE_PATTERN


def _is_day(text: str) -> bool:
    try:
        return 1800 <= date.fromisoformat(text).year < 2200
    except ValueError:
        return False


@given(st.integers(1700, 2300), st.integers(0, 13), st.integers(0, 32))
@example(1900, 2, 29)
@example(2000, 2, 29)
@example(2100, 2, 29)
@example(2196, 2, 29)
def test_a_date_is_a_day_of_the_calendar(year: int, month: int, day: int) -> None:
    text = f"{year}-{month:02}-{day:02}"
    assert bool(re.search(DATE_PATTERN, text)) == _is_day(text)


@given(st.text("0129-T:Z\n", max_size=12))
@example("2000-01-01\n")
@example("20000101")
@example("2000-W01-1")
def test_nothing_else_is_a_date(text: str) -> None:
    assert not re.search(DATE_PATTERN, text) or (_is_day(text) and len(text) == len("2000-01-01"))
