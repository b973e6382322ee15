"""How likely a loan falls behind: the truth that a model tries to find.

The hazard of the first time 90 days late is the vintage's level, times a curve by age, times exp(score). The
marginal ratios aim at 24 between FICO below 620 and from 780, at 6 between CLTV up to 60 and 91 to 100, at 3
between DTI up to 20 and from 44. Most of each comes about FICO 685, CLTV 82 and DTI 41: a tree can find it.
"""

from itertools import pairwise
from math import exp

from batch_jobs.synthetic import economy
from batch_jobs.synthetic.loan import Loan

WINDOW = 24  # months of age within which a loan counts as bad
_MEAN = 135.0  # of exp(score) over the book: an average loan has hazard 1
_PURPOSE = {"C": 0.35, "N": 0.1, "R": 0.1}
_CHANNEL = {"B": 0.35, "C": 0.1, "T": 0.3}
_TERM = {120: -0.9, 180: -0.7, 240: -0.4, 480: 0.3}
_STATE = {"FL": 0.45, "NV": 0.5, "AZ": 0.35, "CA": 0.25, "MI": 0.35, "OH": 0.2, "GA": 0.2}


def relative_hazard(loan: Loan) -> float:
    """The loan's hazard beside that of an average loan of its vintage and age."""
    score = 4.0 * _rise(685 - loan.fico, 18) + 2.5 * _rise(loan.cltv - 82, 4) + 1.7 * _rise(loan.dti - 41, 3)
    score += 0.6 if loan.borrowers == 1 else 0.0
    score += 0.3 if loan.occupancy == "I" else 0.0
    score += _PURPOSE.get(loan.purpose, 0.0) + _CHANNEL.get(loan.channel, 0.0)
    score += _TERM.get(loan.term, 0.0) + _STATE.get(loan.state, 0.0)
    return exp(score) / _MEAN


def _rise(beyond: int, width: int) -> float:
    """From 0 to 1, most of it within two widths of 0."""
    return 1 / (1 + exp(-beyond / width))


def late_hazard(loan: Loan) -> float:
    """What the curve `economy.LATE` is multiplied with."""
    return relative_hazard(loan) * economy.level(loan.quarter // 4)


def probability_of_bad(late: float, early: float) -> float:
    """That a loan becomes bad within the window: 90 days late, or a loss, before it is paid off or removed.

    `late` multiplies `economy.LATE`, `early` is the prepayment of a seasoned month.
    """
    probability, alive = 0.0, 1.0
    for late_now, early_now in _MONTHS:
        still = alive * exp(-late * late_now)
        probability += alive - still + still * economy.SUDDEN
        alive = still * exp(-early * early_now - economy.DEFECT - economy.SUDDEN)
    return probability


_MONTHS = tuple(
    zip(
        (now - before for before, now in pairwise(economy.LATE[: WINDOW + 1])),
        (now - before for before, now in pairwise(economy.EARLY[: WINDOW + 1])),
        strict=True,
    )
)
