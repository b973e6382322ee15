import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_jobs.model.measures import ScoreGroup, book_score, measure

groups = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda counts: sum(counts) > 0),
    min_size=1,
    max_size=6,
).filter(lambda found: all(sum(side) for side in zip(*found, strict=True)))


def spread(counts: list[tuple[int, int]]) -> tuple[list[ScoreGroup], list[tuple[float, bool]]]:
    """Groups of (good, bad) with rising scores, and the loans one by one."""
    scores = [(number + 1) / 10 for number in range(len(counts))]
    grouped = [ScoreGroup(score, good + bad, bad) for score, (good, bad) in zip(scores, counts, strict=True)]
    loans = [
        (score, is_bad)
        for score, (good, bad) in zip(scores, counts, strict=True)
        for is_bad in [False] * good + [True] * bad
    ]
    return grouped, loans


@given(groups)
def test_the_auc_is_the_share_of_pairs_in_the_right_order(counts: list[tuple[int, int]]) -> None:
    grouped, loans = spread(counts)
    pairs = [
        (bad, good)
        for (bad, is_bad), (good, other) in itertools.product(loans, loans)
        if is_bad and not other
    ]
    right = sum(1.0 if bad > good else 0.5 if bad == good else 0.0 for bad, good in pairs)
    assert measure(grouped).auc == pytest.approx(right / len(pairs))


@given(groups)
def test_brier_and_base_rate_are_means_over_single_loans(counts: list[tuple[int, int]]) -> None:
    grouped, loans = spread(counts)
    measures = measure(grouped)
    rate = sum(is_bad for _, is_bad in loans) / len(loans)
    assert measures.brier == pytest.approx(sum((score - is_bad) ** 2 for score, is_bad in loans) / len(loans))
    assert measures.brier_of_base_rate == pytest.approx(
        sum((rate - bad) ** 2 for _, bad in loans) / len(loans)
    )


@given(groups)
def test_the_bins_hold_every_loan_and_keep_both_sums(counts: list[tuple[int, int]]) -> None:
    grouped, loans = spread(counts)
    bins = measure(grouped).calibration
    assert sum(one.loans for one in bins) == len(loans)
    assert sum(one.loans * one.foretold for one in bins) == pytest.approx(sum(score for score, _ in loans))
    assert sum(one.loans * one.came for one in bins) == pytest.approx(sum(is_bad for _, is_bad in loans))
    assert all(one.loans * 10 >= len(loans) for one in bins[:-1])


def test_area_under_precision_and_recall_of_a_worked_case() -> None:
    # Two of the top three are bad, then one of the last five: half of each step's precision by its recall.
    measures = measure([ScoreGroup(0.9, 3, 2), ScoreGroup(0.1, 5, 1)])
    assert measures.area_under_pr == pytest.approx(2 / 3 * 2 / 3 + 1 / 3 * 3 / 8)


def test_a_score_without_order_is_worth_nothing() -> None:
    measures = measure([ScoreGroup(0.2, 50, 10)])
    assert (measures.auc, measures.area_under_pr, measures.base_rate) == (0.5, 0.2, 0.2)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 9))
def test_a_leafs_score_is_its_own_share_of_bad_loans_whatever_they_weighed(
    good: int, bad: int, by: int
) -> None:
    weight = Fraction(by, 4)
    weighted = bad * weight / (good + bad * weight)
    assert book_score(float(weighted), float(weight)) == pytest.approx(bad / (good + bad))


def test_scores_at_the_ends_stay_there() -> None:
    assert (book_score(0.0, 80.0), book_score(1.0, 80.0)) == (0.0, 1.0)
