"""A small book of loans with every trap in it: hand-made lives, and many that a seeded die writes."""

import random
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from headrace.schemas.loan_tables import LOAN_ORIGINATIONS, LOAN_PERFORMANCE
from headrace.schemas.tables import Table

Row = dict[str, Any]
ENDINGS = ("01", "02", "03", "09", "15", "16", "96")


def month(first: date, number: int) -> date:
    """The month `number` months after `first`."""
    years, place = divmod(first.month - 1 + number, 12)
    return date(first.year + years, place + 1, 1)


def row(table: Table, **values: Any) -> Row:
    """A row with these values, and null elsewhere."""
    return {column.name: None for column in table.columns} | values


@dataclass
class Life:
    """One loan's rows."""

    origination: Row
    months: list[Row] = field(default_factory=list)

    def report(self, number: int, late: int | None = 0, **values: Any) -> "Life":
        """Month `number` on the book, from 1."""
        values = {
            "real_estate_owned": False,
            "net_sales_proceeds_unknown": False,
            "current_actual_upb": Decimal(100_000),
            "current_interest_rate": self.origination["original_interest_rate"],
        } | values
        self.months.append(
            row(
                LOAN_PERFORMANCE,
                layout="r47",
                loan_identifier=self.origination["loan_identifier"],
                vintage=self.origination["vintage"],
                period=month(self.origination["first_payment_date"], number - 1),
                delinquency_months=late,
                file_line=1,
                **values,
            )
        )
        return self

    def through(self, first: int, last: int, late: int | None = 0, **values: Any) -> "Life":
        """Months `first` to `last`, all alike."""
        for number in range(first, last + 1):
            self.report(number, late, **values)
        return self


def loan(number: int, vintage: str, first: date, **values: Any) -> Life:
    """A loan that has not reported yet."""
    values = {"original_upb": Decimal("100000.00"), "original_interest_rate": Decimal("6.500")} | values
    return Life(
        row(
            LOAN_ORIGINATIONS,
            layout="r47",
            loan_identifier=f"F{vintage[2:4]}Q1{number:07}",
            vintage=vintage,
            first_payment_date=first,
            maturity_date=month(first, 360),
            file_line=number,
            **values,
        )
    )


def hand_made() -> list[Life]:
    """A life for each trap."""
    start, ended = date(2005, 3, 1), {"current_actual_upb": Decimal(0)}
    lives = [loan(number, "2005Q1", start) for number in range(1, 19)]
    lives[0].through(1, 40)  # still active: its codes are all null
    lives[1].through(1, 5).report(6, None, zero_balance_code="03", **ended)  # a loss, never 90 days late
    lives[2].through(1, 5).report(6, None, zero_balance_code="16", **ended)
    lives[3].through(1, 5, 3).report(6, None, zero_balance_code="96", **ended)  # late, then taken out
    lives[4].through(1, 11).report(12, None, real_estate_owned=True)
    lives[5].through(1, 11).report(12, None).report(13, 12)  # a month unknown, and 12 is more than 3
    lives[6].through(1, 20, loan_age=30).report(21, 4, modification_flag="Y", loan_age=0)
    lives[6].through(22, 33, 0, modification_flag="P").report(34, 3, modification_flag="P")  # late too late
    lives[7].through(1, 5).report(6, 0, modification_flag="Y").through(7, 17).report(18, 3)
    lives[8].through(1, 5).report(6, 0, modification_flag="Y").report(7).report(8, 0, zero_balance_code="01")
    lives[9].through(1, 5).report(6, 0, modification_flag="Y").through(7, 10)  # not seen for a year
    lives[10].through(1, 5).report(6, 0, modification_flag="Y").report(7, 0, zero_balance_code="16")
    lives[11].through(1, 5).through(9, 12).through(14, 16)  # months missing
    lives[12].through(4, 9, 2)  # begins late
    lives[13].through(1, 3).report(4, 1).report(5, 2).through(6, 11, 3)
    lives[13].report(12, 8, zero_balance_code="15", actual_loss=Decimal(7), **ended)  # a note sale
    for life, rate in zip(lives[14:17], ("6.5", "8", "8"), strict=True):
        life.through(1, 11, current_interest_rate=Decimal(rate)).report(
            12, 0, zero_balance_code="01", **ended
        )
    lives[15].origination["maturity_date"] = month(start, 11)  # paid when due: no prepayment
    # The last of them never reports.
    return lives


def drawn(die: random.Random, number: int, vintage: str, first: date) -> Life:
    """A life that the die writes."""
    rate = Decimal(die.randrange(3_000, 9_000)) / 1000
    life = loan(
        number,
        vintage,
        first,
        original_upb=Decimal(die.randrange(50, 400) * 1000),
        original_interest_rate=rate,
        classic_fico=die.choice([None, *range(600, 820, 20)]),
        original_ltv=die.choice([None, 60, 80, 81, 95]),
        original_dti=die.choice([None, 20, 43]),
        mi_percent=die.choice([None, 0, 25]),
        loan_purpose=die.choice([None, "P", "C", "N"]),
        occupancy_status=die.choice([None, "P", "I"]),
    )
    late = age = 0
    for age in range(1, die.randrange(2, 34)):
        late = max(0, late + die.choice([-2, -1, 0, 0, 0, 1, 1]))
        if die.random() < 0.05:
            continue
        balance = Decimal(die.randrange(1_000_000, 30_000_000)) / 100
        flag = "Y" if die.random() < 0.05 else None
        known = None if die.random() < 0.05 else late
        life.report(
            age, known, current_actual_upb=balance, current_interest_rate=rate, modification_flag=flag
        )
    if die.random() < 0.6:
        life.report(die.choice([34, age + 1]), None, **ending(die))
    return life


def ending(die: random.Random) -> Row:
    """What a loan's last row holds; a loss agrees with its parts, or misses by a little or by much."""
    code = die.choice((*ENDINGS, "01", "01"))
    found: Row = {"zero_balance_code": code, "current_actual_upb": Decimal(0)}
    if code in {"02", "03", "09", "15"}:
        parts = {
            "zero_balance_removal_upb": Decimal(die.randrange(10_000_000)) / 100,
            "net_sales_proceeds": die.choice([None, Decimal(-die.randrange(9_000_000)) / 100]),
            "delinquent_accrued_interest": die.choice([None, Decimal("1234.56")]),
            "total_expenses": Decimal("2000.00"),
            "legal_costs": Decimal("2000.00"),
            "mi_recoveries": die.choice([None, Decimal("-500.25")]),
            "non_mi_recoveries": die.choice([None, Decimal("-0.01")]),
        }
        whole = sum((value or 0 for name, value in parts.items() if name != "legal_costs"), Decimal(0))
        missed = die.choice([Decimal(0), Decimal("0.05"), Decimal("-0.06"), Decimal(100)])
        found |= parts | {"actual_loss": die.choice([None, whole + missed, whole])}
        found["net_sales_proceeds_unknown"] = found["net_sales_proceeds"] is None and die.random() < 0.5
    return found


def book() -> list[Life]:
    """The hand-made lives, and sixty that the die writes, of two quarters and of a year's sample."""
    die = random.Random(2005)
    lives = hand_made()
    for number in range(100, 160):
        vintage = die.choice(["2005Q1", "2005Q2", "2006"])
        first = {
            "2005Q1": date(2005, 3, 1),
            "2005Q2": date(2005, 6, 1),
            "2006": date(2006, die.randrange(1, 13), 1),
        }
        lives.append(drawn(die, number, vintage, first[vintage]))
    return lives
