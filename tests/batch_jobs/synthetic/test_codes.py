"""Every code, null code and trap of the files occurs, as often as the modules say."""

from collections import Counter
from random import Random

import pytest

from batch_jobs.synthetic import layouts, risk
from batch_jobs.synthetic.course import months
from batch_jobs.synthetic.economy import prepayment
from batch_jobs.synthetic.fate import Fate, draw_fate
from batch_jobs.synthetic.loan import Loan, draw_loan
from batch_jobs.synthetic.losses import Owed, draw_costs

LOANS = 6000


def loan(number: int, quarter: int) -> Loan:
    return draw_loan(Random(number), number, quarter, f"F05Q1{number:07d}")


@pytest.fixture(scope="module")
def loans() -> list[Loan]:
    """Of all quarters."""
    return [loan(n, 4 * 1999 + n % 108) for n in range(LOANS)]


def columns(of: list[Loan], layout: layouts.Layout) -> list[Counter[str]]:
    """How often each text stands in each column of the originations; the first one is at 1."""
    lines = []
    for it in of:
        month = months(Random(it.number), it, Fate(start=1, missed=[0]))
        lines.append(layouts.origination(it, layout, month).rstrip("\n").split("|"))
    return [Counter(), *map(Counter, zip(*lines, strict=True))]


def test_every_code_of_an_origination_occurs(loans: list[Loan]) -> None:
    r47, legacy = columns(loans[:3000], "r47"), columns(loans[:3000], "legacy")
    assert {"0", "000", "6", "006", "25"} <= set(r47[6])
    assert set("RBCT") <= set(r47[14])
    assert set(r47[16]) == {"FRM"}
    assert all(len(text) == 3 for text in r47[19])
    assert all(len(text) == 5 and text.endswith("00") for text in legacy[19])
    assert {"01", "02", "03"} <= set(legacy[23])
    assert 0.15 < r47[24]["OTHER"] / 3000 < 0.35
    assert r47[24]["OTHER"] == legacy[24]["Other sellers"]
    assert r47[24]['"SELLER" 25'] > 0
    assert legacy[25]["Other servicers"] > 100
    assert (set(r47[25]), set(legacy[26])) == ({"Y", "N"}, {"Y", ""})
    assert {len(text) for text in r47[26]} == {0, 12}
    assert {text[:2] for text in r47[26] if text[4:5] == "Q"} == {"F1"}
    assert (set(r47[27]), set(legacy[28])) == ({"", "H", "F", "R"}, {"9", "H", "F", "R"})
    assert (set(r47[28]), set(legacy[29])) == ({"Y", "N"}, {"Y", ""})
    assert (set(r47[29]), set(legacy[30])) == (set("12347"), set("12349"))
    assert 0.4 < r47[31]["9999"] / 3000 < 0.7
    assert {"7", "N"} <= set(legacy[32])


def test_nulls_are_as_rare_as_said(loans: list[Loan]) -> None:
    def share(name: str, null: object, of: list[Loan] = loans) -> float:
        return [getattr(it, name) for it in of].count(null) / len(of)

    without_harp = [it for it in loans if it.harp == "N"]
    assert share("original_dti", 999, without_harp) == pytest.approx(0.03, rel=0.3)
    assert {it.original_dti for it in loans if it.harp == "Y"} == {999}
    assert share("classic_fico", 9999) == pytest.approx(1 / 1200, rel=0.9)
    rare = {"original_ltv": 999, "original_cltv": 999, "mi_percent": 999, "units": 99, "borrowers": 99}
    for name, null in rare.items():
        assert 0 < share(name, null) < 5 / 2500
    for name, text in {"property_type": "99", "channel": "9", "purpose": "9"}.items():
        assert 0 < share(name, text) < 5 / 2000
    assert share("postal_code", "000") == pytest.approx(1 / 500, rel=0.6)
    assert 0.1 < share("area", "") < 0.25
    assert max(it.borrowers for it in loans if it.borrowers < 99 and it.quarter < 4 * 2018 + 1) == 2
    assert 51 <= len({it.state for it in loans}) <= 54


def test_every_trap_of_a_loan_s_months_occurs() -> None:
    found: Counter[str] = Counter()
    for n in range(LOANS):
        it = loan(n, 4 * 2006 + n % 40)
        rng = Random(-1 - n)
        fate = draw_fate(rng, it, 40 * risk.late_hazard(it), prepayment(it.rate / 1000))  # many fall behind
        found["gap"] += len(fate.unwritten) == 1
        found["enters late"] += len(fate.unwritten) == 4
        found.update({-1: "RA", -2: "XX"}[code] for code in set(fate.shown.values()))
        found.update(set(fate.plans.values()))
        found["disaster"] += bool(fate.disaster)
        found["modified"] += bool(fate.modified)
        found["deferred"] += bool(fate.deferred)
        found["99 or more"] += max(fate.missed) >= 99
        found[fate.end] += 1
        found["loss, never late"] += fate.end == "03" and max(fate.missed) < 3
        if fate.modified:
            check_modified(it, fate, rng)
    assert min(found.values()) > 0, found
    assert len(found) == 20, found


def check_modified(it: Loan, fate: Fate, rng: Random) -> None:
    """The age begins again, the flag is Y once and then P, and what it cost adds up."""
    course = months(rng, it, fate)
    row = min(fate.modified) - len(fate.unwritten)
    assert course[row].age == 0 < course[row - 1].age
    flags = [month.standing.modified for month in course[row:]]
    assert flags[0] == "Y"
    assert set(flags[1:]) <= {"P", "Y"}
    costs = [month.cost or 0 for month in course]
    assert [month.cumulative or 0 for month in course] == [sum(costs[: n + 1]) for n in range(len(costs))]
    assert all(month.upb >= month.standing.deferred >= 0 for month in course)
    assert [month.period for month in course] == sorted({month.period for month in course})


def test_losses_gains_zeroes_blanks_and_unknown_proceeds_occur() -> None:
    rng, it = Random(5), loan(1, 4 * 2006)
    costs = [draw_costs(rng, it, "09", Owed(20_000_000, 27, 6500)) for _ in range(3000)]
    losses = [one.loss or 0 for one in costs]
    assert 0.01 < sum(loss < 0 for loss in losses) / 3000 < 0.03
    assert 0.001 < losses.count(0) / 3000 < 0.006
    assert 0.02 < sum(one.unknown for one in costs) / 3000 < 0.04
    assert all(one.proceeds is None for one in costs if one.unknown)
    for name in ("legal", "other_recoveries", "mi_recoveries"):
        assert {getattr(one, name) for one in costs} >= {None, 0}
    assert draw_costs(rng, it, "96", Owed(1, 0, 6500)).loss == 0
    assert draw_costs(rng, it, "16", Owed(1, 0, 6500)).loss is None
