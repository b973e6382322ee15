"""What happens to a loan over the months of its life, before a cent is counted.

Rates beyond those of `economy`: of loans 90 days late 37 % are sold or written off, about 27 months later
(1 in 10 of them 80 months later still, so that statuses of 99 and more occur); 28 % catch up, one in three by
a repayment plan; the rest is modified or, from 2018, deferred. Of 3,000 loans about 10 show `XX` for a month,
3 miss a month, 2 enter late. One loan in five is late for a while, once to three times.

Most loans are followed for 60 months, one in 25 to the newest period.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from batch_jobs.synthetic import calendar, economy
from batch_jobs.synthetic.loan import Loan
from batch_jobs.synthetic.losses import CREDIT_EVENTS, DEFECT, PAID_OFF, REPERFORMING_SALE
from batch_jobs.synthetic.mix import Mix, chance

REO, UNKNOWN = -1, -2  # statuses RA and XX
SERIOUS = 3  # months
_MONTHS = 60  # that most loans are followed
_FOLLOWED_ON = 1 / 25  # of all loans, to the newest period
_COURSE = Mix({"liquidated": 37, "cured": 18, "repaid": 10, "modified": 35})
_LIQUIDATION = Mix({"09": 1585, "03": 657, "02": 447, "15": 161})
_LATE_ENTRY = 8  # rows that must be quiet for a loan to enter late
_AGAIN, _SOLD = 0.008, 0.004  # a month, once modified: late again, sold as reperforming


class Modification(NamedTuple):
    """New terms; the rate in thousandths of a percent, `forborne` a share of the balance."""

    rate: int
    term: int
    forborne: float
    stepped: bool


@dataclass(slots=True)
class Fate:
    """By row, from `start`, the age of the first one: payments missed, and what else is to be seen.

    `bad_at` is the age at which the loan first was 90 days late, REO, or ended with a loss.
    """

    start: int
    missed: list[int] = field(default_factory=list)
    shown: dict[int, int] = field(default_factory=dict)
    plans: dict[int, str] = field(default_factory=dict)
    disaster: set[int] = field(default_factory=set)
    modified: dict[int, Modification] = field(default_factory=dict)
    deferred: set[int] = field(default_factory=set)
    unwritten: set[int] = field(default_factory=set)
    end: str = ""
    bad_at: int | None = None

    def stay_current(self, age: int) -> None:
        """Pay in full until this age."""
        self.missed += [0] * (age - self.start + 1 - len(self.missed))


def draw_fate(rng: Random, loan: Loan, late: float, early: float) -> Fate:
    """The fate of the stream's loan; `late` and `early` as in `risk.probability_of_bad`."""
    fate = Fate(start=0 if chance(rng, 0.75) else 1)
    first_late = bisect_left(economy.LATE, rng.expovariate(late))
    paid_off = min(bisect_left(economy.EARLY, rng.expovariate(early)), loan.term)
    removed = 1 + int(rng.expovariate(economy.DEFECT + economy.SUDDEN))
    removal = DEFECT if chance(rng, economy.DEFECT / (economy.DEFECT + economy.SUDDEN)) else "03"
    last = _last_age(rng, loan)
    while True:
        soonest = min(first_late, paid_off, removed)
        if soonest > last:
            fate.stay_current(last)
            break
        if soonest != first_late:
            fate.stay_current(soonest)
            fate.end = PAID_OFF if soonest == paid_off else removal
            break
        _fall_behind(rng, loan, fate, first_late)
        if fate.end or len(fate.missed) > last - fate.start:
            break
        age = fate.start + len(fate.missed) - 1
        first_late = age + SERIOUS + int(rng.expovariate(_AGAIN))
        paid_off = min(age + 1 + int(rng.expovariate(early)), max(loan.term, age + 1))
        removed, removal = age + 1 + int(rng.expovariate(_SOLD)), REPERFORMING_SALE
    _cut(fate, last)
    _mark(rng, loan, fate)
    return fate


def _last_age(rng: Random, loan: Loan) -> int:
    newest = calendar.LAST_PERIOD - loan.first_payment + 1
    return min(newest if chance(rng, _FOLLOWED_ON) else _MONTHS, newest)


def _fall_behind(rng: Random, loan: Loan, fate: Fate, age: int) -> None:
    """The loan is 90 days late at this age; then it ends, or pays again."""
    fate.stay_current(age - SERIOUS)
    missed = fate.missed
    missed += range(1, SERIOUS + 1)
    course = _COURSE.draw(rng)
    if course == "liquidated":
        _liquidate(rng, fate)
    elif course == "cured":
        missed += range(SERIOUS + 1, SERIOUS + 1 + rng.randint(0, 5))
        missed.append(0)
    elif course == "repaid":
        missed += range(SERIOUS + 1, SERIOUS + 1 + rng.randint(0, 2))
        at = len(missed)
        missed += range(missed[-1] - 1, -1, -1)
        fate.plans |= dict.fromkeys(range(at, len(missed) - 1), "R")
    elif loan.first_payment + age >= calendar.DEFERRAL and chance(rng, 0.6):
        _defer(rng, fate)
    else:
        _modify(rng, loan, fate)


def _liquidate(rng: Random, fate: Fate) -> None:
    wait = max(SERIOUS, round(rng.gauss(27, 9))) + (80 if chance(rng, 0.1) else 0)
    fate.missed += range(SERIOUS + 1, SERIOUS + 1 + wait)
    fate.end = _LIQUIDATION.draw(rng)
    if fate.end == "09":
        rows = len(fate.missed)
        fate.shown |= dict.fromkeys(range(rows - rng.randint(2, min(8, wait)), rows), REO)


def _defer(rng: Random, fate: Fate) -> None:
    """Forbearance; then what was missed is due at the end of the loan."""
    at = len(fate.missed)
    fate.missed += range(SERIOUS + 1, SERIOUS + 1 + rng.randint(1, 9))
    fate.plans |= dict.fromkeys(range(at - 1, len(fate.missed)), "F")
    fate.deferred.add(len(fate.missed))
    fate.missed.append(0)


def _modify(rng: Random, loan: Loan, fate: Fate) -> None:
    """Three months of trial, then new terms, and the age begins again."""
    fate.missed += range(SERIOUS + 1, SERIOUS + 1 + rng.randint(3, 12))
    at = len(fate.missed)
    fate.plans |= dict.fromkeys(range(at - 3, at), "T")
    rate = min(loan.rate, max(2000, loan.rate - 125 * rng.randint(0, 24)))
    forborne = rng.uniform(0.05, 0.25) if chance(rng, 0.3) else 0.0
    fate.modified[at] = Modification(rate, 480 if chance(rng, 0.6) else 360, forborne, chance(rng, 0.3))
    fate.missed.append(0)


def _cut(fate: Fate, last: int) -> None:
    """Nothing is known behind the last age."""
    rows = last - fate.start + 1
    if len(fate.missed) > rows:
        del fate.missed[rows:]
        fate.modified = {row: change for row, change in fate.modified.items() if row < rows}
        fate.deferred = {row for row in fate.deferred if row < rows}
        fate.end = ""
    ages = (row for row, missed in enumerate(fate.missed) if missed >= SERIOUS)
    row = next(ages, len(fate.missed) - 1 if fate.end in CREDIT_EVENTS else None)
    fate.bad_at = None if row is None else row + fate.start


def _mark(rng: Random, loan: Loan, fate: Fate) -> None:
    """What is seen of some loans, and changes nothing of how they end."""
    missed, rows = fate.missed, len(fate.missed)
    first = loan.first_payment + fate.start - 1
    if chance(rng, 0.2):
        for _ in range(rng.randint(1, 3)):
            _be_late_for_a_while(rng, fate, first)
    quiet = rng.randrange(rows)
    is_quiet = 0 < quiet < rows - 1 and not any(missed[quiet - 1 : quiet + 2])
    if is_quiet and quiet not in fate.modified and quiet not in fate.deferred:
        if chance(rng, 10 / 3000):
            fate.shown[quiet] = UNKNOWN
        elif chance(rng, 3 / 3000):
            fate.unwritten.add(quiet)
    if chance(rng, 2 / 3000) and rows > _LATE_ENTRY and not any(missed[:_LATE_ENTRY]):
        fate.unwritten |= set(range(4))
        missed[4:6] = [2, 1]


def _be_late_for_a_while(rng: Random, fate: Fate, first: int) -> None:
    """One or two payments come late, if the months around that are quiet."""
    most = rng.choice((1, 1, 1, 2))
    course = [*range(1, most + 1), *[most] * rng.randint(0, 2), *range(most - 1, 0, -1)]
    at = rng.randint(2, 2 + len(fate.missed))
    after = at + len(course)
    if after >= len(fate.missed) or any(fate.missed[at - 1 : after + 1]):
        return
    if not fate.modified.keys().isdisjoint(range(at, after)):
        return
    fate.missed[at:after] = course
    if first + at >= calendar.DISASTER and chance(rng, 0.1):
        fate.disaster |= set(range(at, after))
