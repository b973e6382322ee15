"""A loan and its months as lines of either layout.

The layouts tell the same of a loan, with these exceptions. R47 has no servicer and no state of the mortgage
insurance at origination, legacy has neither month by month. Legacy has no VantageScore and no cramdown, and
tells the cumulative cost of modifications in the last row only. Its delinquency counts on where R47 stops at 99.
An unknown ELTV is 999 in R47, and in legacy 999 or blank.
"""

from collections.abc import Sequence
from typing import Literal

from batch_jobs.synthetic.calendar import yyyymm
from batch_jobs.synthetic.course import Month
from batch_jobs.synthetic.fate import REO, UNKNOWN
from batch_jobs.synthetic.loan import Loan
from batch_jobs.synthetic.losses import Ending

Layout = Literal["r47", "legacy"]
FIELDS = {"r47": (31, 35), "legacy": (32, 32)}  # of an origination, of a month
NAMES = {
    "r47": ("orig_{}.txt", "perf_{}.txt"),
    "legacy": ("historical_data_{}.txt", "historical_data_time_{}.txt"),
}
ARCHIVE = "historical_data_{}.zip"

_MOST_SHOWN = 99  # of missed payments, in R47
_PADDED = {n: f"{min(n, _MOST_SHOWN):02d}" for n in range(400)} | {REO: "RA", UNKNOWN: "XX"}
_PLAIN = {n: str(n) for n in range(400)} | {REO: "RA", UNKNOWN: "XX"}
_OTHER_SELLERS = {"OTHER": "Other sellers"}
_OTHER_SERVICERS = {"OTHER": "Other servicers"}


def origination(loan: Loan, layout: Layout, months: Sequence[Month]) -> str:
    """The loan's line, with its newline; the last month is told at origination in legacy."""
    return _origination_r47(loan) if layout == "r47" else _origination_legacy(loan, months[-1])


def performance(loan: Loan, layout: Layout, months: Sequence[Month]) -> list[str]:
    """A line for each month, with its newline."""
    if layout == "r47":
        return [_month_r47(loan.identifier, month) for month in months]
    lines = [_month_legacy(loan, month._replace(cumulative=None)) for month in months[:-1]]
    return [*lines, _month_legacy(loan, months[-1])]


def _origination_r47(loan: Loan) -> str:
    valuation = 7 if loan.valuation is None else loan.valuation
    return (
        f"{_common(loan, f'{loan.upb}.00', loan.postal_code, str(loan.borrowers))}{loan.seller}"
        f"|{loan.super_conforming}|{loan.pre_harp}|{loan.programme}|{loan.harp}|{valuation}|N|{loan.vantage}\n"
    )


def _origination_legacy(loan: Loan, last: Month) -> str:
    valuation = 9 if loan.valuation is None else loan.valuation
    seller = _OTHER_SELLERS.get(loan.seller, loan.seller)
    servicer = _OTHER_SERVICERS.get(last.servicer, last.servicer)
    return (
        f"{_common(loan, str(loan.upb), f'{loan.postal_code}00', f'{loan.borrowers:02d}')}{seller}|{servicer}"
        f"|{_only_yes(loan.super_conforming)}|{loan.pre_harp}|{loan.programme or '9'}|{_only_yes(loan.harp)}"
        f"|{valuation}|N|{last.mi_cancellation}\n"
    )


def _common(loan: Loan, upb: str, postal_code: str, borrowers: str) -> str:
    """The fields that both layouts begin with; MI % is padded for every second loan."""
    mi_percent = f"{loan.mi_percent:03d}" if loan.number % 2 else loan.mi_percent
    return (
        f"{loan.classic_fico}|{yyyymm(loan.first_payment)}|{loan.first_time_buyer}"
        f"|{yyyymm(loan.first_payment + loan.term - 1)}|{loan.area}|{mi_percent}|{loan.units}|{loan.occupancy}"
        f"|{loan.original_cltv}|{loan.original_dti}|{upb}|{loan.original_ltv}|{loan.rate / 1000:g}|{loan.channel}"
        f"|{loan.prepayment_penalty}|FRM|{loan.state}|{loan.property_type}|{postal_code}|{loan.identifier}"
        f"|{loan.purpose}|{loan.term}|{borrowers}|"
    )


def _only_yes(flag: str) -> str:
    return flag if flag == "Y" else ""


def _month_r47(identifier: str, m: Month) -> str:
    """Most rows are those of a loan that pays: they take the short way."""
    deferral = "C" if m.deferral == "now" else m.deferral
    eltv = 999 if m.eltv is None else m.eltv
    upb = f"{m.upb / 100:.2f}"
    tail = f"{m.mi_cancellation}|{m.servicer}|{'' if m.cramdown is None else _money(m.cramdown)}\n"
    if m.ending is None and m.cumulative is None and not m.deferred:
        return (
            f"{identifier}|{yyyymm(m.period)}|{upb}|{_PADDED[m.status]}|{m.age}|{m.remaining}||||"
            f"|{m.rate // 1000}.{m.rate % 1000:03d}|0.00||||||||||||{m.step}|{deferral}|{eltv}|||{m.disaster}"
            f"|{m.plan}||{upb}|{tail}"
        )
    end = _ending(m.ending, 1)
    return (
        f"{identifier}|{yyyymm(m.period)}|{upb}|{_PADDED[m.status]}|{m.age}|{m.remaining}|{end[0]}|{m.modified}"
        f"|{end[1]}|{m.rate // 1000}.{m.rate % 1000:03d}|{_money(m.deferred)}|{end[2]}|{_money(m.cumulative)}"
        f"|{m.step}|{deferral}|{eltv}|{end[3]}|{m.disaster}|{m.plan}|{_money(m.cost)}"
        f"|{_money(m.upb - m.deferred)}|{tail}"
    )


def _month_legacy(loan: Loan, m: Month) -> str:
    deferral = "Y" if m.deferral == "now" else m.deferral
    eltv = m.eltv if m.eltv is not None else 999 if loan.number % 2 else ""
    end = _ending(m.ending, -1)
    upb = f"{m.upb / 100:.2f}"
    bearing = _money(m.upb - m.deferred) if m.deferred else upb
    return (
        f"{loan.identifier}|{yyyymm(m.period)}|{upb}|{_PLAIN[m.status]}|{m.age}|{m.remaining}|{end[0]}|{m.modified}"
        f"|{end[1]}|{m.rate // 1000}.{m.rate % 1000:03d}|{_money(m.deferred)}|{end[2]}|{_money(m.cumulative)}"
        f"|{m.step}|{deferral}|{eltv}|{end[3]}|{m.disaster}|{m.plan}|{_money(m.cost)}|{bearing}\n"
    )


def _ending(ending: Ending | None, sign: int) -> tuple[str, str, str, str]:
    """Fields 7, 9-10, 13-22 and 27-28; `sign` is -1 where losses are negative."""
    if ending is None:
        return _NOTHING
    c = ending.costs
    proceeds = "U" if c.unknown else _money(c.proceeds, sign)
    amounts = (c.other_recoveries, c.expenses, c.legal, c.upkeep, c.taxes, c.miscellaneous, c.loss)
    between = "|".join(_money(amount, sign) for amount in amounts)
    settled = "" if ending.settled is None else yyyymm(ending.settled)
    return (
        settled,
        f"{ending.code}|{yyyymm(ending.period)}",
        f"{yyyymm(ending.paid_until)}|{_money(c.mi_recoveries, sign)}|{proceeds}|{between}",
        f"{_money(ending.removed)}|{_money(c.accrued)}",
    )


def _money(cents: int | None, sign: int = 1) -> str:
    return "" if cents is None else f"{sign * cents / 100:.2f}"


_NOTHING = ("", "|", "|" * 9, "|")
