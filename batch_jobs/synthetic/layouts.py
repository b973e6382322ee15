"""A loan and its months as lines of either layout.

The layouts tell the same of a loan, with these exceptions. R47 has no servicer and no state of the mortgage
insurance at origination; legacy has neither month by month. Legacy has no VantageScore and no cramdown, and
tells the cumulative cost of modifications in the last row only. Its delinquency counts on where R47 stops at
99. An unknown ELTV is 999 in R47; in legacy it is 999, or blank for every second loan.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from batch_jobs.synthetic.calendar import yyyymm
from batch_jobs.synthetic.course import NOW, Month, Standing
from batch_jobs.synthetic.fate import REO, UNKNOWN
from batch_jobs.synthetic.loan import Loan
from batch_jobs.synthetic.losses import Ending

Layout = Literal["r47", "legacy"]
NAMES = {
    "r47": ("orig_{}.txt", "perf_{}.txt"),
    "legacy": ("historical_data_{}.txt", "historical_data_time_{}.txt"),
}
ARCHIVE = "historical_data_{}.zip"

_MOST_SHOWN = 99  # of missed payments, in R47
_MISSED = range(400)
_STATUSES = {
    "r47": {n: f"{min(n, _MOST_SHOWN):02d}" for n in _MISSED} | {REO: "RA", UNKNOWN: "XX"},
    "legacy": {n: str(n) for n in _MISSED} | {REO: "RA", UNKNOWN: "XX"},
}
_OTHER_SELLERS = {"OTHER": "Other sellers"}
_OTHER_SERVICERS = {"OTHER": "Other servicers"}


def origination(loan: Loan, layout: Layout, months: Sequence[Month]) -> str:
    """The loan's line, with its newline; legacy tells of the last month here."""
    if layout == "legacy":
        return _origination_legacy(loan, months[-1])
    valuation = 7 if loan.valuation is None else loan.valuation
    return (
        f"{_terms(loan, f'{loan.upb}.00', loan.postal_code, str(loan.borrowers))}|{loan.seller}"
        f"|{loan.super_conforming}|{loan.pre_harp}|{loan.programme}|{loan.harp}|{valuation}|N|{loan.vantage}\n"
    )


def _origination_legacy(loan: Loan, last: Month) -> str:
    valuation = 9 if loan.valuation is None else loan.valuation
    seller = _OTHER_SELLERS.get(loan.seller, loan.seller)
    servicer = _OTHER_SERVICERS.get(last.standing.servicer, last.standing.servicer)
    return (
        f"{_terms(loan, str(loan.upb), f'{loan.postal_code}00', f'{loan.borrowers:02d}')}|{seller}|{servicer}"
        f"|{_yes_or_blank(loan.super_conforming)}|{loan.pre_harp}|{loan.programme or '9'}"
        f"|{_yes_or_blank(loan.harp)}|{valuation}|N|{last.mi_cancellation}\n"
    )


def _terms(loan: Loan, upb: str, postal_code: str, borrowers: str) -> str:
    """Fields 1 to 23, the same in both layouts; MI % is padded for every second loan."""
    insured = f"{loan.mi_percent:03d}" if loan.number % 2 else loan.mi_percent
    maturity = loan.first_payment + loan.term - 1
    return (
        f"{loan.classic_fico}|{yyyymm(loan.first_payment)}|{loan.first_time_buyer}|{yyyymm(maturity)}"
        f"|{loan.area}|{insured}|{loan.units}|{loan.occupancy}|{loan.original_cltv}|{loan.original_dti}"
        f"|{upb}|{loan.original_ltv}|{loan.rate / 1000:g}|{loan.channel}|{loan.prepayment_penalty}|FRM"
        f"|{loan.state}|{loan.property_type}|{postal_code}|{loan.identifier}|{loan.purpose}|{loan.term}"
        f"|{borrowers}"
    )


def _yes_or_blank(flag: str) -> str:
    return flag if flag == "Y" else ""


def performance(loan: Loan, layout: Layout, months: Sequence[Month]) -> list[str]:
    """A line for each month, with its newline."""
    r47, statuses, last = layout == "r47", _STATUSES[layout], months[-1]
    no_eltv = "" if not r47 and loan.number % 2 else "999"
    start, tail = f"{loan.identifier}|", "\n"
    standing, texts = None, _Texts("", "", "")
    lines: list[str] = []
    for month in months:
        period, upb, status, age, left, eltv, disaster, plan, mi, total, cost, cramdown, end, now = month
        if now is not standing or end is not None:
            standing, texts = now, _texts_of(now, end, r47=r47)
        money = bearing = f"{upb / 100:.2f}"
        if now.deferred:
            bearing = _money(upb - now.deferred)
        if r47:
            tail = f"|{mi}|{now.servicer}|{'' if cramdown is None else _money(cramdown)}\n"
        elif month is not last:
            total = None
        lines.append(
            f"{start}{yyyymm(period)}|{money}|{statuses[status]}|{age}|{left}{texts.ending}"
            f"{'' if total is None else _money(total)}{texts.flags}{no_eltv if eltv is None else eltv}"
            f"{texts.removed}{disaster}|{plan}|{'' if cost is None else _money(cost)}|{bearing}{tail}"
        )
    return lines


class _Texts(NamedTuple):
    """What a row shares with many: fields 7 to 22, 24 and 25, 27 and 28, with the delimiters about them."""

    ending: str
    flags: str
    removed: str


def _texts_of(standing: Standing, ending: Ending | None, *, r47: bool) -> _Texts:
    costs = _NO_COSTS if ending is None else _costs_of(ending, 1 if r47 else -1)
    rate = f"{standing.rate // 1000}.{standing.rate % 1000:03d}|{_money(standing.deferred)}"
    new = "C" if r47 else "Y"
    return _Texts(
        f"|{costs.settled}|{standing.modified}|{costs.code}|{rate}|{costs.amounts}|",
        f"|{standing.step}|{new if standing.deferral == NOW else standing.deferral}|",
        f"|{costs.removed}|",
    )


class _Costs(NamedTuple):
    """Fields 7, 9 and 10, 13 to 22, 27 and 28."""

    settled: str
    code: str
    amounts: str
    removed: str


def _costs_of(ending: Ending, sign: int) -> _Costs:
    """`sign` is -1 where losses are negative."""
    it = ending.costs
    amounts = (it.other_recoveries, it.expenses, it.legal, it.upkeep, it.taxes, it.miscellaneous, it.loss)
    proceeds = "U" if it.unknown else _money(it.proceeds, sign)
    return _Costs(
        "" if ending.settled is None else yyyymm(ending.settled),
        f"{ending.code}|{yyyymm(ending.period)}",
        f"{yyyymm(ending.paid_until)}|{_money(it.mi_recoveries, sign)}|{proceeds}"
        f"|{'|'.join(_money(amount, sign) for amount in amounts)}",
        f"{_money(ending.removed)}|{_money(it.accrued)}",
    )


def _money(cents: int | None, sign: int = 1) -> str:
    return "" if cents is None else f"{sign * cents / 100:.2f}"


_NO_COSTS = _Costs("", "|", "|" * 9, "|")
