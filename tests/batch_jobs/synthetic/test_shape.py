"""The figures of a book: what a few thousand loans come to, within generous bounds."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from batch_jobs.synthetic.book import Made
from batch_jobs.synthetic.loan import Loan
from tests.batch_jobs.synthetic.books import made


@pytest.fixture(scope="module")
def book() -> list[Made]:
    """Of 2006 to 2008, from which most of the figures are."""
    return list(made(4000, "2006", "2008"))


def share(book: Sequence[Made], is_so: Callable[[Made], bool]) -> float:
    return sum(map(is_so, book)) / len(book)


def late_by(age: int) -> Callable[[Made], bool]:
    return lambda it: it.truth.bad_at_age is not None and it.truth.bad_at_age <= age


def hazard(book: Sequence[Made], of: Callable[[Loan], bool]) -> float:
    """First times 90 days late, a month of a loan that was not."""
    chosen = [it for it in book if of(it.loan)]
    months = sum(it.truth.bad_at_age or len(it.months) for it in chosen)
    return sum(it.truth.bad_at_age is not None for it in chosen) / months


def test_loans_fall_behind_at_the_ages_of_the_real_ones(book: list[Made]) -> None:
    """Real: 0.89, 3.44, 6.39 and 10.3 % by month 12, 24, 36 and 60."""
    for age, least, most in ((12, 0.004, 0.018), (24, 0.023, 0.047), (36, 0.045, 0.08), (60, 0.07, 0.13)):
        assert least < share(book, late_by(age)) < most


def test_a_book_of_two_thousand_loans_has_dozens_of_bad_ones_before_and_behind_a_cut() -> None:
    bad = [it.loan.quarter >= 4 * 2007 for it in made(2000, "2005", "2008") if it.truth.bad]
    assert min(bad.count(True), bad.count(False)) >= 20


def test_what_is_known_at_closing_decides_as_much_as_in_real_loans(book: list[Made]) -> None:
    """Real: 24 times, 6 times and 3 times."""
    ratio = hazard(book, lambda it: it.fico < 620) / hazard(book, lambda it: it.fico >= 780)
    assert 8 < ratio < 60
    ratio = hazard(book, lambda it: 91 <= it.cltv <= 100) / hazard(book, lambda it: it.cltv <= 60)
    assert 3 < ratio < 12
    ratio = hazard(book, lambda it: it.dti >= 44) / hazard(book, lambda it: it.dti <= 20)
    assert 1.5 < ratio < 6


def test_true_probabilities_are_true_and_tell_the_bad_from_the_good(book: list[Made]) -> None:
    expected = sum(it.truth.probability for it in book)
    spread = sum(it.truth.probability * (1 - it.truth.probability) for it in book) ** 0.5
    assert abs(sum(map(late_by(24), book)) - expected) < 4 * spread
    known = [it for it in book if it.truth.bad is not None]
    good = sorted(it.truth.probability for it in known if not it.truth.bad)
    bad = [it.truth.probability for it in known if it.truth.bad]
    ranks = sum(bisect_left(good, p) + bisect_right(good, p) for p in bad) / 2
    assert 0.84 < ranks / (len(good) * len(bad)) < 0.95  # the area under the ROC curve


def test_loans_end_as_real_ones_do(book: list[Made]) -> None:
    """Real, within longer: 90 % paid off, 3 % REO, 1 % each short sale, third-party sale and reperforming."""
    counted = Counter(it.truth.ending for it in book)
    ended = {code: count / len(book) for code, count in counted.items()}
    assert ended["01"] > 0.5
    assert ended["09"] > ended["03"] > ended["15"] > 0
    assert all(0.0005 < ended[code] < 0.02 for code in ("02", "03", "09", "16", "96"))
    assert ended.keys() == {"", "01", "02", "03", "09", "15", "16", "96"}


def test_dear_loans_are_paid_off_sooner() -> None:
    """Real: 1.1 % a month below 5.5 %, 4.7 % from 8.5 %."""
    book = [*made(400, "2000", "2000"), *made(400, "2012", "2012")]
    cheap = [it for it in book if it.loan.rate < 5500]
    dear = [it for it in book if it.loan.rate >= 8500]
    for loans, least, most in ((cheap, 0.006, 0.016), (dear, 0.03, 0.06)):
        paid_off = sum(it.truth.ending == "01" for it in loans)
        assert least < paid_off / sum(len(it.months) for it in loans) < most
