"""Labels against a plain-Python reading of the definition: hand-made traps, and many made-up histories."""

import random
from datetime import date
from typing import NamedTuple

import pytest
from pyspark.sql import SparkSession

from batch_jobs.model.label import labels
from tests.batch_jobs.marks import SPARK

pytestmark = SPARK

WINDOW = 24
FIRST = date(2005, 3, 1)


class Row(NamedTuple):
    month: int  # from the first payment's, which is 0
    late: int | None = 0
    owned: bool = False
    code: str | None = None
    age: int | None = None


def months(until: int, *changed: Row) -> list[Row]:
    """A loan that pays to the month `until`, but for what is said."""
    by_month = {row.month: row for row in changed}
    return [by_month.get(month, Row(month)) for month in range(until + 1)]


TRAPS: dict[str, tuple[list[Row], bool | None]] = {
    "pays, and is seen to the last month of the window": (months(23), False),
    "pays, and is seen a month less": (months(22), None),
    "pays, never seen": ([], None),
    "two months late": (months(30, Row(7, late=2)), False),
    "three months late once": (months(30, Row(7, late=3)), True),
    "late in the window's last month": (months(30, Row(23, late=3)), True),
    "late in the month behind it": (months(30, Row(24, late=3)), False),
    "ninety-nine months late is a count": (months(30, Row(7, late=99)), True),
    "late in the first month, as one that enters so": (months(30, Row(0, late=5)), True),
    "late in a row before the first payment": ([Row(-1, late=3), *months(30)], False),
    "unknown state": (months(30, Row(7, late=None)), False),
    "real estate owned, which has no months": (months(30, Row(7, late=None, owned=True)), True),
    "owned behind the window": (months(40, Row(30, late=None, owned=True)), False),
    "a loss without ever being late": ([*months(9), Row(10, code="03")], True),
    "sold to a third party": ([*months(9), Row(10, code="02")], True),
    "disposed of": ([*months(9), Row(10, code="09")], True),
    "note sale": ([*months(9), Row(10, code="15")], True),
    "a loss behind the window": ([*months(29), Row(30, code="03")], False),
    "paid off early": ([*months(5), Row(6, code="01")], False),
    "paid off in the window's last month": ([*months(22), Row(23, code="01")], False),
    "sold as reperforming": ([*months(29), Row(30, code="16")], None),
    "sold as reperforming after a default": ([*months(29, Row(7, late=4)), Row(30, code="16")], None),
    "a defect": ([*months(5), Row(6, code="96")], None),
    "seen too short, but in default": (months(8, Row(8, late=3)), True),
    "months missing": ([Row(0), Row(9, late=3), Row(11)], True),
    "months missing, seen to the end": ([Row(0), Row(25)], False),
    "modified: the age begins anew behind the window": (
        [*months(29), *(Row(month, late=3 if month == 33 else 0, age=month - 30) for month in range(30, 40))],
        False,
    ),
}


def oracle(rows: list[Row]) -> bool | None:
    """The definition, loan by loan: True defaulted, False did not, None is not in the population."""
    if any(row.code in {"16", "96"} for row in rows):
        return None
    for row in rows:
        is_bad = (row.late is not None and row.late >= 3) or row.owned or row.code in {"02", "03", "09", "15"}
        if 0 <= row.month < WINDOW and is_bad:
            return True
    is_seen = any(row.month >= WINDOW - 1 or row.code is not None for row in rows)
    return False if is_seen else None


def made_up(random_: random.Random) -> list[Row]:
    rows = [
        Row(
            month,
            late=random_.choice([0, 0, 0, 1, 2, 3, None]) if random_.random() < 0.15 else 0,
            owned=random_.random() < 0.01,
        )
        for month in range(-1, random_.randrange(1, 40))
        if random_.random() > 0.1
    ]
    if random_.random() < 0.6:
        rows.append(
            Row(
                40 if not rows else rows[-1].month + 1,
                code=random_.choice(["01", "02", "03", "09", "15", "16", "96"]),
            )
        )
    random_.shuffle(rows)
    return rows


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, bool]:
    """The labels of all histories, from one job."""
    histories = {name: rows for name, (rows, _) in TRAPS.items()} | {
        str(seed): made(seed) for seed in range(400)
    }
    start = FIRST.year * 12 + FIRST.month - 1
    performance = [
        (
            name,
            date((start + row.month) // 12, (start + row.month) % 12 + 1, 1),
            row.late,
            row.owned,
            row.code,
            row.age if row.age is not None else row.month,
        )
        for name, rows in histories.items()
        for row in rows
    ]
    columns = "loan_identifier string, period date, delinquency_months short, real_estate_owned boolean"
    made_labels = labels(
        spark.createDataFrame(
            [(name, "2005Q1", FIRST) for name in histories],
            "loan_identifier string, vintage string, first_payment_date date",
        ),
        spark.createDataFrame(performance, f"{columns}, zero_balance_code string, loan_age int"),
        WINDOW,
    ).collect()
    assert len(made_labels) == len({row.loan_identifier for row in made_labels})
    assert {row.vintage for row in made_labels} == {"2005Q1"}
    return {row.loan_identifier: row.defaulted for row in made_labels}


def made(seed: int) -> list[Row]:
    return made_up(random.Random(seed))


@pytest.mark.parametrize("name", TRAPS)
def test_a_loan_that(name: str, found: dict[str, bool]) -> None:
    rows, expected = TRAPS[name]
    assert found.get(name) is expected
    assert oracle(rows) is expected


def test_made_up_histories_are_labelled_as_the_definition_reads(found: dict[str, bool]) -> None:
    expected = {str(seed): oracle(made(seed)) for seed in range(400)}
    assert {name: found.get(name) for name in expected} == expected
    assert {True, False, None} == set(expected.values())
