"""Which loans a book has: their quarters, their ids, and the stream of random numbers of each."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from batch_jobs.synthetic import calendar, economy, risk
from batch_jobs.synthetic.course import Month, months
from batch_jobs.synthetic.fate import Fate, draw_fate
from batch_jobs.synthetic.loan import Loan, draw_loan
from batch_jobs.synthetic.losses import DEFECT, REPERFORMING_SALE
from batch_jobs.synthetic.truth import Book, LoanTruth

_OLDER_FORM = 200  # one loan in so many has an id of the older form, F1YYQn


class Made(NamedTuple):
    """A loan with all its months; `rng` is its stream, behind what they took."""

    loan: Loan
    months: list[Month]
    truth: LoanTruth
    rng: Random


class Quarter(NamedTuple):
    """The loans of a vintage: numbers `first` to before `end`, which count over the whole book."""

    number: int
    first: int
    end: int

    @property
    def vintage(self) -> str:
        """`2005Q1`."""
        return calendar.vintage_of(self.number)

    def loan_numbers(self) -> Iterator[int]:
        """In the order of their ids."""
        newer, older = self._forms()
        year = self.vintage[2:4]
        # By their third character, the older ones come first from 2011 on: F111Q... before F11Q....
        for numbers in (older, newer) if f"1{year}" < f"{year}Q" else (newer, older):
            yield from numbers

    def identifier(self, number: int) -> str:
        """The id of a loan."""
        vintage, count = self.vintage[2:], number - self.first + 1
        return f"F1{vintage}{count:06d}" if number in self._forms()[1] else f"F{vintage}{count:07d}"

    def before(self, number: int, most: int) -> range:
        """Loans that come before this one in the files, at most so many."""
        newer, older = self._forms()
        return range(max((older if number in older else newer).start, number - most), number)

    def _forms(self) -> tuple[range, range]:
        """Numbers of loans with an id of the newer form, and of the older one."""
        middle = self.end - (self.end - self.first) // _OLDER_FORM
        return range(self.first, middle), range(middle, self.end)


def quarters(book: Book) -> list[Quarter]:
    """The loans spread evenly over the vintages; a quarter without a loan is left out."""
    first, last = calendar.quarter_of(book.first), calendar.quarter_of(book.last, last=True)
    count = last - first + 1
    spread = [
        Quarter(first + n, book.loans * n // count, book.loans * (n + 1) // count) for n in range(count)
    ]
    return [quarter for quarter in spread if quarter.end > quarter.first]


def make(seed: int, quarter: Quarter, number: int) -> Made:
    """The loan of this number: the same whoever asks, and in whatever order."""
    rng = Random(seed << 40 | number)  # noqa: S311  made to be repeated
    loan = draw_loan(rng, number, quarter.number, quarter.identifier(number))
    late, early = risk.late_hazard(loan), economy.prepayment(loan.rate / 1000)
    fate = draw_fate(rng, loan, late, early)
    course = months(rng, loan, fate)
    truth = LoanTruth(
        loan.identifier,
        round(risk.probability_of_bad(late, early), 6),
        _is_bad(fate),
        fate.bad_at,
        len(course),
        fate.end,
    )
    return Made(loan, course, truth, rng)


def _is_bad(fate: Fate) -> bool | None:
    """Whether the loan was bad within the window; None where that is not known, or it was removed."""
    if fate.end in {DEFECT, REPERFORMING_SALE}:
        return None
    if fate.bad_at is not None and fate.bad_at <= risk.WINDOW:
        return True
    last_age = fate.start + len(fate.missed) - 1
    return False if fate.end or last_age >= risk.WINDOW else None
