from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.errors import WarehouseRefused
from headrace.warehouse.literals import literal, rendered

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0")) | st.text(
    "'\\\"%$-/*;: nE", max_size=12
)
VALUES = st.one_of(
    TEXTS,
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.none(),
    st.dates(date(1000, 1, 1)),
    st.datetimes(timezones=st.just(UTC)).filter(lambda at: at.year >= 1000),
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20),
)


@pytest.fixture(scope="module", params=["on", "off"])
def ask(request: pytest.FixtureRequest, server: Callable[[str], str]) -> Iterator[Callable[[str], object]]:
    """Runs a statement where a backslash in a literal is plain, and where it is an escape, as on Redshift."""
    with closing(psycopg.connect(server("postgres"), autocommit=True)) as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute(f"SET standard_conforming_strings = {request.param}")
        yield lambda text: connection.execute(text.encode()).fetchall()


@pytest.mark.stack
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, min_size=1, max_size=4))
def test_every_value_comes_back_as_it_was(ask: Callable[[str], object], values: list[object]) -> None:
    places = ", ".join(["%s"] * len(values))
    assert ask(rendered(f"SELECT {places}, '%%'", values)) == [(*values, "%")]


@pytest.mark.stack
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_a_literal_never_ends_early(ask: Callable[[str], object], text: str) -> None:
    assert ask(rendered("SELECT 1 - %s, length(%s) WHERE %s = %s", (-1, text, text, text))) == [
        (2, len(text))
    ]


def test_a_text_without_parameters_is_left_alone() -> None:
    assert rendered("SELECT '50 %' WHERE a LIKE '%s'", ()) == "SELECT '50 %' WHERE a LIKE '%s'"


def test_an_instant_is_written_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert (
        literal(datetime(2026, 1, 1, tzinfo=tokyo))
        == "CAST('2025-12-31 15:00:00.000000+00:00' AS TIMESTAMPTZ)"
    )


@pytest.mark.parametrize(
    "value",
    [
        "a\0b",
        "\ud800",
        b"bytes",
        1.5,
        datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None),
        Decimal("NaN"),
        Decimal("1e40"),
        [1],
    ],
)
def test_what_has_no_literal_is_refused(value: object) -> None:
    with pytest.raises(WarehouseRefused):
        literal(value)
