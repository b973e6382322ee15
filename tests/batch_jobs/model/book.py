"""A small book of loans with a known truth, written as the pipeline's tables are, without the pipeline."""

import hashlib
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from batch_jobs.manifest import DataFile, Output, partition_of, write_output
from batch_jobs.storage import Storage
from headrace.schemas.loan_tables import LOAN_ORIGINATIONS, LOAN_PERFORMANCE
from headrace.schemas.tables import Table
from headrace.warehouse.staging import arrow_schema

VINTAGES = ("2005Q1", "2005Q2", "2005Q3", "2005Q4", "2006Q1", "2006Q2")
YOUNG = "2007Q4"
LOANS = 600
MONTHS = 27
_STATES = ("CA", "FL", "NV", "OH", "TX")


def write_book(storage: Storage, *, shuffled: bool = False) -> tuple[list[Output], list[Output]]:
    """Six vintages that were seen for 27 months, and one for eight; `shuffled`: with one another's fates."""
    seen = dict.fromkeys(VINTAGES, MONTHS) | {YOUNG: 8}
    originations, performance = [], []
    for number, (vintage, months) in enumerate(seen.items()):
        loans = _loans(vintage, np.random.default_rng(number))
        originations.append(write_table(storage, LOAN_ORIGINATIONS, vintage, loans))
        if shuffled:
            others = np.random.default_rng(number).permutation(loans["loan_identifier"]).tolist()
            loans = loans | {"loan_identifier": others}
        performance.append(write_table(storage, LOAN_PERFORMANCE, vintage, _months(loans, months, number)))
    return originations, performance


def write_table(storage: Storage, table: Table, vintage: str, columns: dict[str, Any]) -> Output:
    """One partition; columns that are not given are null."""
    schema = arrow_schema(table)
    rows = len(columns["loan_identifier"])
    given = dict(columns) | {
        "net_sales_proceeds_unknown": [False] * rows,
        "layout": ["r47"] * rows,
        "vintage": [vintage] * rows,
        "file_line": range(1, rows + 1),
    }
    arrays = [
        pa.array(given.get(field.name, [None] * rows), field.type, from_pandas=True) for field in schema
    ]
    sha256 = hashlib.sha256(repr(sorted(given.items())).encode()).hexdigest()
    year, quarter = partition_of(vintage)
    folder = f"tables/{table.name}/vintage_year={year}/vintage_quarter={quarter}/input={sha256[:16]}"
    path = f"{folder}/part-00000.parquet"
    with storage.create(path) as file:
        pq.write_table(pa.table(arrays, schema=schema), file)
    output = Output(
        table=table.name,
        vintage=vintage,
        input_name=f"{table.name}_{vintage}.txt",
        input_sha256=sha256,
        rows_in=rows,
        rows=rows,
        rejected={},
        folder=folder,
        files=(DataFile(path, storage.size(path), rows),),
        error_files=(),
    )
    write_output(storage, output)
    return output


def month(vintage: str, count: int) -> date:
    """The first day of a month, so many behind the quarter's last."""
    year, quarter = partition_of(vintage)
    months = year * 12 + quarter * 3 - 1 + count
    return date(months // 12, months % 12 + 1, 1)


def _loans(vintage: str, random: np.random.Generator) -> dict[str, Any]:
    """Originations; the lower the score and the higher the ratio to the value, the likelier a default."""
    scores = random.integers(540, 830, LOANS)
    known = random.random(LOANS) > 0.02
    return {
        "loan_identifier": [f"F{vintage[2:]}{number:07d}" for number in range(LOANS)],
        "classic_fico": [
            int(score) if is_known else None for score, is_known in zip(scores, known, strict=True)
        ],
        "first_payment_date": [month(vintage, 1)] * LOANS,
        "maturity_date": [month(vintage, 360)] * LOANS,
        "first_time_homebuyer_indicator": random.choice(["Y", "N"], LOANS),
        "mi_percent": random.choice([0, 12, 25], LOANS),
        "number_of_units": random.choice([1, 2], LOANS, p=[0.95, 0.05]),
        "occupancy_status": random.choice(["P", "I", "S"], LOANS, p=[0.8, 0.1, 0.1]),
        "original_cltv": random.integers(40, 101, LOANS),
        "original_dti": random.integers(10, 60, LOANS),
        "original_upb": [Decimal(int(upb)) * 1000 for upb in random.integers(50, 600, LOANS)],
        "original_ltv": random.integers(40, 98, LOANS),
        "original_interest_rate": [
            5 + Decimal(int(eighths)) / 8 for eighths in random.integers(0, 20, LOANS)
        ],
        "channel": random.choice(["R", "B", "C"], LOANS),
        "prepayment_penalty_indicator": ["N"] * LOANS,
        "amortization_type": ["FRM"] * LOANS,
        "property_state": random.choice(_STATES, LOANS),
        "property_type": [f"{number % 90:02}" for number in range(LOANS)],  # too many to learn from
        "loan_purpose": random.choice(["P", "C", "N"], LOANS),
        "original_loan_term": [360] * LOANS,
        "number_of_borrowers": random.choice([1, 2, 3], LOANS),
        "interest_only_indicator": ["N"] * LOANS,
    }


def probability(fico: float, cltv: float, state: str) -> float:
    """The true one, of a default in the window."""
    odds = -2.6 - (fico - 680) / 45 + (cltv - 80) / 30 + (0.8 if state in {"FL", "NV"} else 0.0)
    return float(1 / (1 + np.exp(-odds)))


def _months(loans: dict[str, Any], months: int, seed: int) -> dict[str, Any]:
    """Monthly rows; a default is three months late in one of them, and stays so."""
    random = np.random.default_rng(1000 + seed)
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("loan_identifier", "period", "delinquency_months", "real_estate_owned", "loan_age")
    }
    for number, loan in enumerate(loans["loan_identifier"]):
        fico, cltv = loans["classic_fico"][number] or 680, loans["original_cltv"][number]
        bad = random.random() < probability(fico, cltv, loans["property_state"][number])
        at = int(random.integers(3, 24)) if bad else months + 1
        first = loans["first_payment_date"][number]
        for count in range(months):
            serial = first.year * 12 + first.month - 1 + count
            row = (loan, date(serial // 12, serial % 12 + 1, 1), 3 if count >= at else 0, False, count)
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
    return columns
