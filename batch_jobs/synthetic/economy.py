"""What a month of origination decides: rates, how many pay early, how many fall behind.

Figures of real vintages, where there are any: ever 90 days late within 120 months, 2000 to 2008; by age, 2006
to 2008. 1999 and what follows 2008 is assumed.
"""

from itertools import accumulate

_YEARS = range(1999, 2027)
# fmt: off
_RATES = (
    7.4, 8.1, 7.0, 6.5, 5.8, 5.8, 5.9, 6.4, 6.3, 6.0, 5.0, 4.7, 4.5, 3.7,
    4.0, 4.2, 3.9, 3.7, 4.0, 4.5, 3.9, 3.1, 3.0, 5.3, 6.8, 6.7, 6.6, 6.2,
)
_LATE = (
    3.2, 3.2, 2.9, 2.9, 3.4, 6.2, 11.0, 13.6, 15.7, 8.8, 3.0, 2.2, 1.9, 1.6,
    1.9, 2.2, 2.4, 2.8, 4.0, 5.0, 5.2, 2.8, 2.4, 3.0, 3.2, 3.0, 3.0, 3.0,
)
# fmt: on
MARKET_RATE = dict(zip(_YEARS, _RATES, strict=True))
EVER_LATE = dict(zip(_YEARS, _LATE, strict=True))  # percent within 120 months
_LATE_OF_2006_TO_2008 = (13.6 + 15.7 + 8.8) / 3
_MOST_MONTHS = 340

# Of an average loan of 2006-2008 that still pays: the hazard of its first time 90 days late, a month of age.
_BY_AGE = (
    [0.0] * 3
    + [0.0009] * 10
    + [0.0030] * 12
    + [0.0064] * 12
    + [0.0105] * 24
    + [0.0040] * 60
    + [0.0005] * (_MOST_MONTHS - 121)
)
LATE = list(accumulate(_BY_AGE))  # by age, from 0
_SEASONING = [0.0] + [min(1.0, age / 12) for age in range(1, _MOST_MONTHS)]
EARLY = list(accumulate(_SEASONING))  # months by age that prepayment counts

DEFECT = 6e-5  # a month: repurchased for a defect (96)
SUDDEN = 1e-5  # a month: a loss (03) of a loan that never was 90 days late


def level(year: int) -> float:
    """How often a vintage falls behind, beside 2006 to 2008."""
    return EVER_LATE[year] / _LATE_OF_2006_TO_2008


def prepayment(rate: float) -> float:
    """The share of seasoned loans that is paid off in a month, by note rate in percent."""
    return min(max(0.011 + (rate - 5.25) * 0.0103, 0.009), 0.05)
