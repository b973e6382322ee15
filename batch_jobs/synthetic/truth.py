"""What a synthetic book holds, told by the one who made it: `truth.json`, and two files beside each quarter.

`truth_2005Q1.ndjson` has a `LoanTruth` a line, `bad_2005Q1.ndjson` a `BadLine`.
"""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from batch_jobs.synthetic.course import Month
from batch_jobs.synthetic.dirt import CODES, Bad, Kind
from batch_jobs.synthetic.layouts import Layout

VERSION = 1  # of the generator: another one makes other loans of the same seed
TRUTH = "truth.json"
LOANS = "truth_{}.ndjson"
BAD_LINES = "bad_{}.ndjson"


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for: the same book has the same bytes. `dirty` is a share of the lines."""

    loans: int
    seed: int
    layout: Layout
    first: str
    last: str
    dirty: float = 0.0
    zipped: bool = False
    version: int = VERSION


class LoanTruth(msgspec.Struct, frozen=True):
    """One loan: how likely it was to become bad, and what became of it.

    `probability` is that of being 90 days late, or ending with a loss, within 24 months of age, given all at
    closing (also a FICO or DTI that the file has as null) and the vintage. `bad` says whether it was. It is
    null for a loan that was removed (16, 96), whenever that was, and for one that was not followed for so
    long and not bad yet; a loan that was paid off is not bad. `ending` is its zero balance code, blank while
    it is active.
    """

    loan_identifier: str
    probability: float
    bad: bool | None
    bad_at_age: int | None
    rows: int
    ending: str


class BadLine(msgspec.Struct, frozen=True):
    """A line that must be rejected, by its number in its file, from 1."""

    file: str
    line: int
    code: str
    defect: str


class FileTruth(msgspec.Struct, frozen=True, kw_only=True):
    """One file of text: `lines` = `rows`, which are good, + the sum of `rejected` by code.

    `sums` are of the money columns over the good rows, in dollars, with the signs of R47.
    """

    name: str
    kind: Kind
    vintage: str
    lines: int
    rows: int
    rejected: dict[str, int]
    sums: dict[str, Decimal]
    bytes: int
    sha256: str


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """The book as it was written; `known` counts loans whose `bad` is not null, `bad` those that were."""

    book: Book
    known: int
    bad: int
    files: tuple[FileTruth, ...]
    archives: tuple[str, ...] = ()

    def lines(self, kind: Literal["origination", "performance"]) -> int:
        """Lines of all files of a kind, good and bad."""
        return sum(file.lines for file in self.files if file.kind == kind)


class Count:
    """Counts one file while it is written; money in cents."""

    def __init__(self, name: str, kind: Kind) -> None:
        self.name, self.kind = name, kind
        self.rows = self.lines = 0
        self.rejected: Counter[str] = Counter()
        self.sums: Counter[str] = Counter()

    def add_lines(self, good: int, bad: Sequence[Bad]) -> list[BadLine]:
        """Good lines with bad ones among them; the bad ones by their numbers."""
        found = [
            BadLine(self.name, self.lines + it.place + 1, CODES[it.defect].value, it.defect) for it in bad
        ]
        self.rows += good
        self.lines += good + len(bad)
        self.rejected.update(it.code for it in found)
        return found

    def add_months(self, months: Sequence[Month], layout: Layout) -> None:
        """The money of a loan's rows."""
        sums = self.sums
        upb = deferred = 0
        for month in months:
            upb += month.upb
            deferred += month.standing.deferred
            if month.cost is not None:
                sums["current_period_modification_costs"] += month.cost
            if month.cumulative is not None and (layout == "r47" or month is months[-1]):
                sums["cumulative_modification_costs"] += month.cumulative
            if month.cramdown is not None and layout == "r47":
                sums["bankruptcy_cramdown_costs"] += month.cramdown
        sums["current_actual_upb"] += upb
        sums["current_non_interest_bearing_upb"] += deferred
        sums["current_interest_bearing_upb"] += upb - deferred
        if ending := months[-1].ending:
            costs = ending.costs
            sums["zero_balance_removal_upb"] += ending.removed
            sums["mi_recoveries"] += costs.mi_recoveries or 0
            sums["net_sales_proceeds"] += costs.proceeds or 0
            sums["non_mi_recoveries"] += costs.other_recoveries or 0
            sums["total_expenses"] += costs.expenses or 0
            sums["legal_costs"] += costs.legal or 0
            sums["maintenance_and_preservation_costs"] += costs.upkeep or 0
            sums["taxes_and_insurance"] += costs.taxes or 0
            sums["miscellaneous_expenses"] += costs.miscellaneous or 0
            sums["actual_loss"] += costs.loss or 0
            sums["delinquent_accrued_interest"] += costs.accrued or 0

    def truth(self, vintage: str, size: int, sha256: str) -> FileTruth:
        """What the whole file holds."""
        return FileTruth(
            name=self.name,
            kind=self.kind,
            vintage=vintage,
            lines=self.lines,
            rows=self.rows,
            rejected=dict(sorted(self.rejected.items())),
            sums={name: Decimal(cents).scaleb(-2) for name, cents in sorted(self.sums.items())},
            bytes=size,
            sha256=sha256,
        )
