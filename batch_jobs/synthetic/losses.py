"""What a loan's end cost, in cents, with the signs of R47: losses and expenses positive, recoveries negative.

Of the endings with a loss 2 % are gains, 1 in 300 comes to exactly zero, 3 % do not tell the proceeds (`U`).
A component of zero is blank, in two of three cases, or 0.00.
"""

from random import Random
from typing import NamedTuple

from batch_jobs.synthetic.loan import NULL_3, Loan
from batch_jobs.synthetic.mix import chance

CREDIT_EVENTS = ("02", "03", "09", "15")
DEFECT, REPERFORMING_SALE, PAID_OFF = "96", "16", "01"
_PROCEEDS = {"02": 0.72, "03": 0.68, "09": 0.60, "15": 0.65}


class Costs(NamedTuple):
    """None is blank, which means 0; `proceeds` None and `unknown` true is `U`."""

    mi_recoveries: int | None = None
    proceeds: int | None = None
    unknown: bool = False
    other_recoveries: int | None = None
    expenses: int | None = None
    legal: int | None = None
    upkeep: int | None = None
    taxes: int | None = None
    miscellaneous: int | None = None
    loss: int | None = None
    accrued: int | None = None


class Ending(NamedTuple):
    """The last row of a loan that has ended; months as numbers."""

    code: str
    period: int
    paid_until: int
    removed: int
    settled: int | None  # the month in which a defect was settled
    costs: Costs


class Owed(NamedTuple):
    """At the end: cents, months without a payment, and the rate in thousandths of a percent."""

    balance: int
    missed: int
    rate: int


NO_COSTS = Costs()
ZEROED = Costs(0, 0, False, 0, 0, 0, 0, 0, 0, 0, 0)  # noqa: FBT003  the proceeds are known


def draw_costs(rng: Random, loan: Loan, code: str, owed: Owed) -> Costs:
    """What the ending comes to."""
    removed = owed.balance
    if code == DEFECT:
        return ZEROED
    if code not in CREDIT_EVENTS:
        return NO_COSTS
    legal, upkeep, taxes, miscellaneous = (
        _blank(rng, round(removed * rng.uniform(0, most)) if chance(rng, 0.85) else 0)
        for most in (0.05, 0.07, 0.06, 0.02)
    )
    parts = (legal, upkeep, taxes, miscellaneous)
    expenses = None if parts == (None,) * 4 else sum(part or 0 for part in parts)
    accrued = removed * owed.rate * owed.missed // 1_200_000
    insured = loan.mi_percent if loan.mi_percent not in {0, NULL_3} and chance(rng, 0.8) else 0
    mi_recoveries = -(removed * insured // 100)
    other = -round(removed * rng.uniform(0, 0.02)) if chance(rng, 0.3) else 0
    whole = removed + accrued + (expenses or 0) + mi_recoveries + other
    proceeds = -_proceeds(rng, code, removed, whole)
    unknown = chance(rng, 0.03)
    return Costs(
        mi_recoveries=_blank(rng, mi_recoveries),
        proceeds=None if unknown else _blank(rng, proceeds),
        unknown=unknown,
        other_recoveries=_blank(rng, other),
        expenses=expenses,
        legal=legal,
        upkeep=upkeep,
        taxes=taxes,
        miscellaneous=miscellaneous,
        loss=whole + proceeds,
        accrued=_blank(rng, accrued),
    )


def _proceeds(rng: Random, code: str, removed: int, owed: int) -> int:
    """What the sale brought: mostly less than what was owed."""
    if chance(rng, 1 / 300):
        return max(owed, 0)
    if chance(rng, 0.02):
        return round(max(owed, 0) * rng.uniform(1.01, 1.2)) + 1
    share = min(max(rng.gauss(_PROCEEDS[code], 0.15), 0.0), 0.95)
    return min(round(removed * share), max(owed - 1, 0))


def _blank(rng: Random, amount: int) -> int | None:
    """Zero is mostly blank."""
    return None if amount == 0 and chance(rng, 2 / 3) else amount
