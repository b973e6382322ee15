"""What the queries must answer, counted loan by loan in plain Python."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from itertools import pairwise
from statistics import mean
from typing import Any

from tests.batch_jobs.hql.book import Life, Row

Rows = list[tuple[Any, ...]]
LOSSES, TAKEN_OUT = {"02", "03", "09", "15"}, {"16", "96"}


def is_late(row: Row) -> bool:
    late = row["delinquency_months"]
    return (late is not None and late >= 3) or row["real_estate_owned"] or row["zero_balance_code"] in LOSSES


def months(later: date, earlier: date) -> int:
    return (later.year - earlier.year) * 12 + later.month - earlier.month


def by_vintage(lives: list[Life]) -> Iterator[tuple[str, list[Life]]]:
    groups = defaultdict(list)
    for life in lives:
        groups[life.origination["vintage"]].append(life)
    return iter(sorted(groups.items()))


def vintage_curves(lives: list[Life]) -> Rows:
    found = []
    for vintage, group in by_vintage(lives):
        reported = [life for life in group if life.months]
        newest = max(row["period"] for life in reported for row in life.months)
        lived = months(newest, max(life.origination["first_payment_date"] for life in reported)) + 1
        late_from = []
        for life in reported:
            first = life.origination["first_payment_date"]
            late = [months(row["period"], first) + 1 for row in life.months if is_late(row)]
            taken_out = any(row["zero_balance_code"] in TAKEN_OUT for row in life.months)
            if late or not taken_out:
                late_from.append(min(late, default=10**6))
        for age in range(12, lived + 1, 12):
            bad = sum(one <= age for one in late_from)
            found.append((vintage, age, len(late_from), bad, round(bad / len(late_from), 4)))
    return found


def state(row: Row) -> str:
    code, late = row["zero_balance_code"], row["delinquency_months"]
    if code is not None:
        return "paid" if code == "01" else "loss" if code in LOSSES else "taken out"
    if row["real_estate_owned"]:
        return "owned"
    return "unknown" if late is None else ["current", "30 days", "60 days", "90+ days"][min(late, 3)]


def roll_rates(lives: list[Life]) -> Rows:
    moves: Counter[tuple[str, str]] = Counter()
    for life in lives:
        known = {row["period"]: state(row) for row in life.months}
        for period, here in known.items():
            following = [known[other] for other in known if months(other, period) == 1]
            moves.update((here, there) for there in following)
    leaving: Counter[str] = Counter()
    for (here, _), count in moves.items():
        leaving[here] += count
    return sorted((*move, count, round(count / leaving[move[0]], 4)) for move, count in moves.items())


def loss_severity(lives: list[Life]) -> Rows:
    parts = ("net_sales_proceeds", "delinquent_accrued_interest", "total_expenses", "mi_recoveries")
    found = []
    for vintage, group in by_vintage(lives):
        events = [row for life in group for row in life.months if row["zero_balance_code"] in LOSSES]
        known = [row for row in events if row["actual_loss"] is not None]
        both = [row for row in known if row["zero_balance_removal_upb"] is not None]
        loss = sum(row["actual_loss"] for row in known) if known else None
        balance = sum(row["zero_balance_removal_upb"] for row in both) if both else None
        told: Counter[str] = Counter()
        for row in events:
            if row not in both or row["net_sales_proceeds_unknown"]:
                told["cannot"] += 1
                continue
            whole = row["zero_balance_removal_upb"] + sum(row[part] or 0 for part in parts)
            whole += row["non_mi_recoveries"] or 0
            told["agree" if abs(row["actual_loss"] - whole) <= Decimal("0.05") else "disagree"] += 1
        gains = sum(row["actual_loss"] < 0 for row in known)
        severity = round(float(loss / balance), 4) if loss is not None and balance else None
        if events:
            told_of = (told["agree"], told["disagree"], told["cannot"])
            found.append((vintage, len(events), gains, loss, balance, severity, *told_of))
    return found


def prepayment_speed(lives: list[Life]) -> Rows:
    firsts = defaultdict(list)
    for life in lives:
        firsts[life.origination["first_payment_date"]].append(
            float(life.origination["original_interest_rate"])
        )
    risk: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for life in lives:
        for row in life.months:
            before = [other for other in life.months if months(row["period"], other["period"]) == 1]
            market = [rates for first, rates in firsts.items() if months(first, row["period"]) == 2]
            if not before or not market or not before[0]["current_actual_upb"]:
                continue
            incentive = (float(before[0]["current_interest_rate"]) - mean(market[0])) * 2 // 1 / 2
            balance = float(before[0]["current_actual_upb"])
            prepaid = row["zero_balance_code"] == "01" and row["period"] < life.origination["maturity_date"]
            risk[incentive].append((balance, balance * prepaid))
    found = []
    for incentive, months_at_risk in sorted(risk.items()):
        smm = sum(part for _, part in months_at_risk) / sum(balance for balance, _ in months_at_risk)
        cpr = 1 - (1 - smm) ** 12
        found.append((incentive, incentive + 0.5, len(months_at_risk), round(smm, 5), round(cpr, 4)))
    return found


def credit_mix(lives: list[Life]) -> Rows:
    def average(rows: list[Row], name: str, digits: int) -> float | None:
        known = [(row["original_upb"], row[name]) for row in rows if row[name] is not None]
        whole = sum(weight for weight, _ in known)
        return round(float(sum(weight * value for weight, value in known) / whole), digits) if whole else None

    def share(rows: list[Row], name: str, holds: Callable[[Any], bool]) -> float:
        return round(sum(row[name] is not None and holds(row[name]) for row in rows) / len(rows), 4)

    found = []
    for vintage, group in by_vintage(lives):
        rows = [life.origination for life in group]
        found.append(
            (
                vintage,
                len(rows),
                sum(row["original_upb"] for row in rows),
                average(rows, "original_interest_rate", 3),
                average(rows, "classic_fico", 1),
                average(rows, "original_ltv", 1),
                average(rows, "original_dti", 1),
                share(rows, "classic_fico", lambda value: value < 660),
                share(rows, "original_ltv", lambda value: value > 80),
                share(rows, "mi_percent", lambda value: value > 0),
                share(rows, "loan_purpose", lambda value: value == "P"),
                share(rows, "loan_purpose", lambda value: value == "C"),
                share(rows, "occupancy_status", lambda value: value == "I"),
            )
        )
    return found


def missing_months(lives: list[Life]) -> Rows:
    found = []
    for vintage, group in by_vintage(lives):
        holes, began_late = [], 0
        for life in group:
            rows = sorted(life.months, key=lambda row: row["period"])
            holes.append([months(b["period"], a["period"]) - 1 for a, b in pairwise(rows)])
            began_late += bool(
                rows and ((rows[0]["delinquency_months"] or 0) > 0 or rows[0]["real_estate_owned"])
            )
        never = sum(not life.months for life in group)
        missing = sum(any(one) for one in holes)
        longest = max((hole for one in holes for hole in one), default=0)
        found.append((vintage, len(group), never, missing, sum(map(sum, holes)), longest, began_late))
    return found


def redefault(lives: list[Life]) -> Rows:
    years: dict[int, list[bool]] = defaultdict(list)
    for life in lives:
        modified = min(
            (row["period"] for row in life.months if row["modification_flag"] == "Y"), default=None
        )
        if modified is None:
            continue
        after = {months(row["period"], modified): row for row in life.months if row["period"] >= modified}
        late = any(is_late(row) for number, row in after.items() if 1 <= number <= 12)
        codes = {number: row["zero_balance_code"] for number, row in after.items()}
        taken_out = any(code in TAKEN_OUT and number <= 12 for number, code in codes.items())
        is_seen = "01" in codes.values() or max(after) >= 12
        if late or (is_seen and not taken_out):
            years[modified.year].append(late)
    return [
        (year, len(late), sum(late), round(sum(late) / len(late), 4)) for year, late in sorted(years.items())
    ]


EXPECTED = {
    function.__name__: function
    for function in (
        credit_mix,
        loss_severity,
        missing_months,
        prepayment_speed,
        redefault,
        roll_rates,
        vintage_curves,
    )
}
