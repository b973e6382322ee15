"""The months of a loan, counted to the cent, the same for both layouts.

Money is in cents, rates in thousandths of a percent. A balance follows from the payments that were made under
the terms of the time; the first six periods show it to the nearest 1,000 dollars.
"""

from itertools import pairwise
from math import ceil
from random import Random
from typing import NamedTuple

from batch_jobs.synthetic import calendar
from batch_jobs.synthetic.fate import Fate, Modification
from batch_jobs.synthetic.loan import NULL_3, Loan
from batch_jobs.synthetic.losses import DEFECT, Ending, Owed, draw_costs
from batch_jobs.synthetic.mix import Mix, chance

SERVICERS = Mix({"OTHER": 22.0} | {f"SERVICER {n:02d}": 30 / (n + 1) for n in range(1, 20)})
NOW = "now"  # a deferral that is new: C, or Y in legacy
_MONTHLY = 1_200_000  # from thousandths of a percent a year
_ROUNDED_ROWS = 6
_ROUNDED = 100_000  # cents
_MI_ENDS = 0.78  # of the price


class Standing(NamedTuple):
    """What stays the same over many rows; `deferred` bears no interest."""

    modified: str
    rate: int
    deferred: int
    step: str
    deferral: str
    servicer: str


class Month(NamedTuple):
    """One row: `status` counts payments missed, or is `fate.REO` or `fate.UNKNOWN`; None is blank.

    `cumulative` and `cost` are of modifications.
    """

    period: int
    upb: int
    status: int
    age: int
    remaining: int
    eltv: int | None
    disaster: str
    plan: str
    mi_cancellation: str
    cumulative: int | None
    cost: int | None
    cramdown: int | None
    ending: Ending | None
    standing: Standing


def months(rng: Random, loan: Loan, fate: Fate) -> list[Month]:
    """Every row of the loan, by period."""
    rows = len(fate.missed)
    transfer = rng.randrange(1, 3 * rows + 1)  # one loan in three changes its servicer
    course = _Course(loan, fate, SERVICERS.draw(rng))
    changes = {0, _ROUNDED_ROWS, transfer, *fate.modified, *fate.deferred}
    changes |= {row + 1 for row in (*fate.modified, *fate.deferred)}  # what is new is told for one month
    for row, end in pairwise(sorted({min(change, rows) for change in changes} | {rows})):
        if row == transfer:
            course.servicer = SERVICERS.draw(rng)
        course.change(row)
        course.go_on(row, end)
    built = course.built
    if chance(rng, 1 / 400):
        row = rng.randrange(rows)
        built[row] = built[row]._replace(cramdown=rng.choice((0, 0, 0, built[row].upb // 10)))
    if fate.end:
        built[-1] = _ended(rng, loan, fate, built[-1])
    if fate.unwritten:
        return [month for row, month in enumerate(built) if row not in fate.unwritten]
    return built


class _Course:
    """The rows of a loan so far, and its terms at their end."""

    def __init__(self, loan: Loan, fate: Fate, servicer: str) -> None:
        self.built: list[Month] = []
        self.servicer = servicer
        self._fate = fate
        self._number, self._contract = loan.number, loan.rate
        self._first_period = loan.first_payment - 1 + fate.start
        self._rate, self._term = loan.rate, loan.term
        self._since = 0  # the age at which the terms began
        self._owed = _balances(100 * loan.upb, loan.rate, loan.term, fate.start + len(fate.missed))
        self._modified = self._step = self._deferral = ""
        self._deferred = 0
        self._cumulative: int | None = None
        self._insured = {0: "7", NULL_3: "9"}.get(loan.mi_percent, "N")
        self._price = 10_000 * loan.upb / (loan.original_ltv if loan.original_ltv != NULL_3 else 80)

    def change(self, row: int) -> None:
        """What becomes different with this row."""
        fate = self._fate
        if row in fate.modified:
            self._modify(fate.modified[row], row, self._owed_at(row - 1))
        elif self._modified:
            self._modified = "P"
        if row in fate.deferred:
            self._deferred += self._owed_at(row - 1) - self._owed_at(row)
            self._deferral = NOW
        elif self._deferral:
            self._deferral = "P"

    def go_on(self, row: int, end: int) -> None:
        """Rows up to before `end`, in which nothing is new: the loop that all the time goes into."""
        fate, cost = self._fate, None
        owed, term, deferred, insured = self._owed, self._term, self._deferred, self._insured
        shift, first, limit = fate.start - self._since, self._first_period, _MI_ENDS * self._price
        standing = Standing(self._modified, self._rate, deferred, self._step, self._deferral, self.servicer)
        for at, late in enumerate(fate.missed[row:end], start=row):
            age, period = at + shift, first + at
            upb = owed[age - late if age > late else 0] + deferred
            if at < _ROUNDED_ROWS:
                upb = (upb + _ROUNDED // 2) // _ROUNDED * _ROUNDED
            if self._cumulative is not None:
                cost = self._cost(upb - deferred)
            if insured == "N" and upb < limit:
                insured = "Y"
            self.built.append(
                Month(
                    period,
                    upb,
                    fate.shown.get(at, late),
                    age,
                    term - age if term > age else 0,
                    None if period < calendar.ELTV else self._eltv(upb, at),
                    "Y" if at in fate.disaster else "",
                    fate.plans.get(at, ""),
                    insured,
                    self._cumulative,
                    cost,
                    None,
                    None,
                    standing,
                )
            )
        self._insured = insured

    def _modify(self, change: Modification, row: int, owed: int) -> None:
        """Agree on new terms for what is owed."""
        forborne = round(owed * change.forborne)
        self._deferred += forborne
        self._rate, self._term, self._since = change.rate, change.term, row + self._fate.start
        self._owed = _balances(owed - forborne, change.rate, change.term, len(self._fate.missed) - row)
        self._modified, self._step = "Y", "Y" if change.stepped else "N"
        self._cumulative = self._cumulative or 0

    def _owed_at(self, row: int) -> int:
        """What bears interest in a row, under the terms of now."""
        return self._owed[max(row + self._fate.start - self._since - self._fate.missed[row], 0)]

    def _cost(self, bearing: int) -> int:
        """What the lower rate costs in a month, added to what it has cost."""
        cost = max(bearing * (self._contract - self._rate) // _MONTHLY, 0)
        self._cumulative = (self._cumulative or 0) + cost
        return cost

    def _eltv(self, upb: int, row: int) -> int | None:
        """Prices grow by 4 % a year; once in 50 months it is not known."""
        if (self._number + row) % 50 == 0:
            return None
        return min(max(round(100 * upb / (self._price * (1 + row / 300))), 1), 998)


def _balances(balance: int, rate: int, term: int, most: int) -> list[int]:
    """What is owed after 0, 1, ... payments, at most so many."""
    monthly = rate / _MONTHLY
    payment = ceil(balance * monthly / (1 - (1 + monthly) ** -term))
    owed = [balance]
    for _ in range(most):
        balance += balance * rate // _MONTHLY - payment
        balance = max(balance, 0)
        owed.append(balance)
    return owed


def _ended(rng: Random, loan: Loan, fate: Fate, last: Month) -> Month:
    """The last row: nothing is owed any more, and what it cost is known."""
    missed, removed = fate.missed[-1], last.upb
    costs = draw_costs(rng, loan, fate.end, Owed(removed, missed, last.standing.rate))
    settled = last.period if fate.end == DEFECT else None
    ending = Ending(fate.end, last.period, last.period - missed, removed, settled, costs)
    return last._replace(upb=0, ending=ending, standing=last.standing._replace(deferred=0))
