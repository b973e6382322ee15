"""How well scores tell good loans from bad ones: exact, from the few different scores that a tree gives."""

from collections.abc import Iterator, Sequence

import msgspec

_BINS = 10

CAVEAT = (
    "A score orders loans; as a probability it holds at the level of the vintages that were trained on. "
    "The level does not carry over time: a model of 2000-2004 foretold 0.37 of the real defaults of "
    "2006-2008."
)
"""To be said beside any probability."""


class ScoreGroup(msgspec.Struct, frozen=True):
    """Loans with one and the same score, and how many of them defaulted."""

    score: float
    loans: int
    bad: int


class Bin(msgspec.Struct, frozen=True):
    """Of neighbouring scores: what was foretold, as a mean, and what came."""

    loans: int
    foretold: float
    came: float


class Measures(msgspec.Struct, frozen=True):
    """Of one set of loans; `brier_of_base_rate` is that of the same probability for every loan."""

    loans: int
    bad: int
    base_rate: float
    auc: float
    area_under_pr: float
    brier: float
    brier_of_base_rate: float
    calibration: tuple[Bin, ...]


def book_score(weighted: float, weight: float) -> float:
    """The probability at the book's level, of one from a tree whose bad loans weighed `weight` times.

    The weight multiplied the odds, so they are divided by it.
    """
    return weighted / (weighted + weight * (1 - weighted))


def measure(groups: Sequence[ScoreGroup]) -> Measures:
    """All measures; `groups` hold good and bad loans, in any order, no score twice."""
    best_first = sorted(groups, key=lambda group: -group.score)
    loans, bad = sum(group.loans for group in groups), sum(group.bad for group in groups)
    rate = bad / loans
    return Measures(
        loans=loans,
        bad=bad,
        base_rate=rate,
        auc=_auc(best_first, loans, bad),
        area_under_pr=_area_under_pr(best_first, bad),
        brier=sum(_squares(group, group.score) for group in groups) / loans,
        brier_of_base_rate=rate * (1 - rate),
        calibration=tuple(_bins(best_first[::-1], loans)),
    )


def _auc(best_first: Sequence[ScoreGroup], loans: int, bad: int) -> float:
    """The chance that a bad loan scores above a good one; a tie is half of it."""
    pairs, bad_above = 0, 0
    for group in best_first:
        pairs += (group.loans - group.bad) * (2 * bad_above + group.bad)
        bad_above += group.bad
    return pairs / (2 * bad * (loans - bad))


def _area_under_pr(best_first: Sequence[ScoreGroup], bad: int) -> float:
    """Average precision: the precision at each score, weighed by the bad loans that it adds."""
    area, loans, found = 0.0, 0, 0
    for group in best_first:
        loans, found = loans + group.loans, found + group.bad
        area += group.bad / bad * (found / loans)
    return area


def _squares(group: ScoreGroup, score: float) -> float:
    return group.bad * (1 - score) ** 2 + (group.loans - group.bad) * score**2


def _bins(worst_first: Sequence[ScoreGroup], loans: int) -> Iterator[Bin]:
    """Neighbouring scores together, a tenth of the loans or more in each bin but the last."""
    held: list[ScoreGroup] = []
    for group in worst_first:
        held.append(group)
        if sum(one.loans for one in held) >= loans / _BINS:
            yield _bin(held)
            held = []
    if held:
        yield _bin(held)


def _bin(groups: Sequence[ScoreGroup]) -> Bin:
    loans = sum(group.loans for group in groups)
    foretold = sum(group.loans * group.score for group in groups) / loans
    return Bin(loans, foretold, sum(group.bad for group in groups) / loans)
