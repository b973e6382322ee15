"""The months of a loan, counted to the cent, the same for both layouts.

Money is in cents, rates in thousandths of a percent. A balance follows from the payments that were made under
the terms of the time; the first six periods show it to the nearest 1,000 dollars.
"""

from math import ceil
from random import Random
from typing import NamedTuple

from batch_jobs.synthetic import calendar
from batch_jobs.synthetic.fate import Fate, Modification
from batch_jobs.synthetic.loan import NULL_3, Loan
from batch_jobs.synthetic.losses import Ending, draw_costs
from batch_jobs.synthetic.mix import Mix, chance

SERVICERS = Mix({"OTHER": 22.0} | {f"SERVICER {n:02d}": 30 / (n + 1) for n in range(1, 20)})
_ROUNDED_ROWS = 6
_ROUNDED = 100_000  # cents
_MI_ENDS = 0.78  # of the price


class Month(NamedTuple):
    """One row: `status` counts payments missed, or is `fate.REO` or `fate.UNKNOWN`; None is blank.

    `cumulative` and `cost` are of modifications; `deferred` bears no interest.
    """

    period: int
    upb: int
    status: int
    age: int
    remaining: int
    modified: str
    rate: int
    deferred: int
    cumulative: int | None
    step: str
    deferral: str
    eltv: int | None
    disaster: str
    plan: str
    cost: int | None
    mi_cancellation: str
    servicer: str
    cramdown: int | None
    ending: Ending | None


class Terms:
    """What was agreed, and what is owed after a number of payments, in cents."""

    def __init__(self, balance: int, rate: int, term: int) -> None:
        self.rate, self.term = rate, term
        monthly = rate / 1_200_000
        self._payment = ceil(balance * monthly / (1 - (1 + monthly) ** -term))
        self._owed = [balance]

    def owed(self, payments: int) -> int:
        """The balance once so many payments were made."""
        owed, rate, payment = self._owed, self.rate, self._payment
        while len(owed) <= payments:
            last = owed[-1]
            owed.append(max(last + last * rate // 1_200_000 - payment, 0))
        return owed[payments] if payments > 0 else owed[0]


class _State:
    """What changes on the way."""

    def __init__(self, loan: Loan, rng: Random, rows: int) -> None:
        self.terms = Terms(100 * loan.upb, loan.rate, loan.term)
        self.since = 0  # the age at which the terms began
        self.modified = self.step = self.deferral = ""
        self.deferred = 0
        self.cumulative: int | None = None
        self.servicer = SERVICERS.draw(rng)
        self.transfer = rng.randrange(1, 3 * rows + 1)  # one loan in three changes its servicer
        price = 100 * loan.upb / ((loan.original_ltv if loan.original_ltv != NULL_3 else 80) / 100)
        self.price = price
        self.insured = {0: "7", NULL_3: "9"}.get(loan.mi_percent, "N")

    def modify(self, change: Modification, age: int, owed: int) -> None:
        """Agree on new terms for what is owed."""
        forborne = round(owed * change.forborne)
        self.deferred += forborne
        self.terms = Terms(owed - forborne, change.rate, change.term)
        self.since, self.modified, self.step = age, "Y", "Y" if change.stepped else "N"
        self.cumulative = self.cumulative or 0


def months(rng: Random, loan: Loan, fate: Fate) -> list[Month]:
    """Every row of the loan, by period."""
    rows = len(fate.missed)
    state = _State(loan, rng, rows)
    cramdown = rng.randrange(rows) if chance(rng, 1 / 400) else None
    built: list[Month] = []
    for row, missed in enumerate(fate.missed):
        age = row + fate.start
        if row in fate.modified:
            state.modify(fate.modified[row], age, _owed_before(state, fate, row))
        elif row in fate.deferred:
            state.deferred += _owed_before(state, fate, row) - state.terms.owed(age - state.since)
            state.deferral = "now"
        if row == state.transfer:
            state.servicer = SERVICERS.draw(rng)
        month = _month(loan, fate, state, row, missed)
        if row == cramdown:
            month = month._replace(cramdown=rng.choice((0, 0, 0, month.upb // 10)))
        built.append(month)
        if state.modified == "Y":
            state.modified = "P"
        if state.deferral == "now":
            state.deferral = "P"
    if fate.end:
        built[-1] = _ended(rng, loan, fate, built, state)
    return [month for row, month in enumerate(built) if row not in fate.unwritten]


def _owed_before(state: _State, fate: Fate, row: int) -> int:
    """What was owed, with interest, in the row before."""
    return state.terms.owed(row - 1 + fate.start - state.since - fate.missed[row - 1])


def _month(loan: Loan, fate: Fate, state: _State, row: int, missed: int) -> Month:
    age = row + fate.start
    terms, count = state.terms, age - state.since
    owed = terms.owed(count - missed)
    cost = None
    if state.cumulative is not None:
        cost = max(owed * (loan.rate - terms.rate) // 1_200_000, 0)
        state.cumulative += cost
    upb = owed + state.deferred
    if row < _ROUNDED_ROWS:
        upb = (upb + _ROUNDED // 2) // _ROUNDED * _ROUNDED
    if state.insured == "N" and upb < _MI_ENDS * state.price:
        state.insured = "Y"
    period = loan.first_payment + age - 1
    return Month(
        period,
        upb,
        fate.shown.get(row, missed),
        count,
        max(terms.term - count, 0),
        state.modified,
        terms.rate,
        state.deferred,
        state.cumulative,
        state.step,
        state.deferral,
        _eltv(upb, state.price, period, age),
        "Y" if row in fate.disaster else "",
        fate.plans.get(row, ""),
        cost,
        state.insured,
        state.servicer,
        None,
        None,
    )


def _eltv(upb: int, price: float, period: int, age: int) -> int | None:
    """Prices grow by 4 % a year; null before its time, and once in 50 months."""
    if period < calendar.ELTV or period % 50 == 7:  # noqa: PLR2004  some month
        return None
    return min(max(round(100 * upb / (price * (1 + age / 300))), 1), 998)


def _ended(rng: Random, loan: Loan, fate: Fate, built: list[Month], state: _State) -> Month:
    """The last row: nothing is owed any more, and what it cost is known."""
    last, missed = built[-1], fate.missed[-1]
    removed = last.upb
    costs = draw_costs(rng, loan, fate.end, removed, missed, state.terms.rate)
    settled = last.period if fate.end == "96" else None
    ending = Ending(fate.end, last.period, last.period - missed, removed, settled, costs)
    return last._replace(upb=0, deferred=0, ending=ending)
