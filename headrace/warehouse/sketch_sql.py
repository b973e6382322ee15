"""Quantile and distinct columns recomputed from their parts, in SQL that PostgreSQL and Redshift both run.

The formulas are those of `headrace.schemas.sketches`; only the groups that a batch touched are recomputed.
"""
# ruff: noqa: S608  every name in the text comes from a declaration, never from data

import math

from headrace.schemas.measures import Distinct, Quantile
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.sketches import GAMMA, REGISTERS, SIGMA_TERMS, ZERO_BUCKET
from headrace.schemas.tables import Table
from headrace.schemas.targets.sql import quote
from headrace.warehouse.merge_sql import window_keys

_SMALLEST_EXPONENT = -700
"""exp(-700) is 1e-304: below it PostgreSQL raises an underflow, and the term no longer matters."""


def recompute(output: WindowedOutput, parts: Table, stage: str) -> list[str]:
    """One UPDATE per sketched field, for the groups whose parts are in `stage`."""
    statements = []
    for field in dict.fromkeys(measure.field for measure in output.sketched):
        quantiles = [m for m in output.sketched if isinstance(m, Quantile) and m.field == field]
        distinct = [m for m in output.sketched if isinstance(m, Distinct) and m.field == field]
        touched = _touched(output, parts, stage, field)
        if quantiles:
            values = _quantiles(output, touched, quantiles)
            statements.append(_update(output, [m.name for m in quantiles], values))
        if distinct:
            estimate = _distinct(output, touched, distinct)
            statements.append(_update(output, [m.name for m in distinct], estimate))
    return statements


def _columns(output: WindowedOutput, prefix: str = "") -> str:
    return ", ".join(f"{prefix}{quote(key)}" for key in window_keys(output))


def _same(output: WindowedOutput, left: str, right: str) -> str:
    return " AND ".join(f"{left}.{quote(key)} = {right}.{quote(key)}" for key in window_keys(output))


def _touched(output: WindowedOutput, parts: Table, stage: str, field: str) -> str:
    """All parts of a field in the groups that the batch changed."""
    return (
        f"SELECT {_columns(output, 'held.')}, held.part, held.n FROM {quote(parts.name)} AS held "
        f"JOIN (SELECT DISTINCT {_columns(output)} FROM {quote(stage)} WHERE measure = '{field}') AS changed "
        f"ON {_same(output, 'held', 'changed')} WHERE held.measure = '{field}'"
    )


def _update(output: WindowedOutput, names: list[str], fresh: str) -> str:
    assignments = ", ".join(f"{quote(name)} = fresh.{quote(name)}" for name in names)
    return (
        f"UPDATE {quote(output.name)} SET {assignments}\nFROM ({fresh}) AS fresh\n"
        f"WHERE {_same(output, quote(output.name), 'fresh')}"
    )


def _quantiles(output: WindowedOutput, touched: str, quantiles: list[Quantile]) -> str:
    """The bucket of rank max(1, ceil(q * total)), and the value that stands for it."""
    groups = _columns(output)
    running = (
        f"SELECT {groups}, part, SUM(n) OVER (PARTITION BY {groups} ORDER BY part ROWS UNBOUNDED PRECEDING) "
        f"AS reached, SUM(n) OVER (PARTITION BY {groups}) AS total FROM ({touched}) AS found"
    )
    buckets = ", ".join(
        f"MIN(CASE WHEN reached >= GREATEST(1, CEIL({m.q} * CAST(total AS BIGINT))) THEN part END) "
        f"AS {quote(m.name)}"
        for m in quantiles
    )
    chosen = f"SELECT {groups}, {buckets} FROM ({running}) AS running GROUP BY {groups}"
    values = ", ".join(f"{_bucket_value(quote(m.name))} AS {quote(m.name)}" for m in quantiles)
    return f"SELECT {groups}, {values} FROM ({chosen}) AS chosen"


def _bucket_value(bucket: str) -> str:
    gamma = f"CAST({GAMMA!r} AS DOUBLE PRECISION)"
    return f"CASE WHEN {bucket} = {ZERO_BUCKET} THEN 0 ELSE 2 * POWER({gamma}, {bucket}) / {GAMMA + 1!r} END"


def _distinct(output: WindowedOutput, touched: str, measures: list[Distinct]) -> str:
    """The estimate from the ranks; a register without a row is zero."""
    groups = _columns(output)
    registers = (
        f"SELECT {groups}, CAST({REGISTERS} - COUNT(*) AS DOUBLE PRECISION) / {REGISTERS} AS zeros, "
        f"SUM(POWER(CAST(2 AS DOUBLE PRECISION), -n)) AS weight FROM ({touched}) AS found GROUP BY {groups}"
    )
    numerator = REGISTERS**2 / (2 * math.log(2))
    estimate = f"CAST(FLOOR({numerator!r} / ({REGISTERS} * {_sigma('zeros')} + weight) + 0.5) AS BIGINT)"
    columns = ", ".join(f"{estimate} AS {quote(m.name)}" for m in measures)
    return f"SELECT {groups}, {columns} FROM ({registers}) AS registers"


def _sigma(x: str) -> str:
    terms = " + ".join(
        f"EXP(GREATEST(LN({x}) * {2**k}, {_SMALLEST_EXPONENT})) * {2 ** (k - 1)}"
        for k in range(1, SIGMA_TERMS + 1)
    )
    return f"(CASE WHEN {x} = 0 THEN 0 ELSE {x} + {terms} END)"
