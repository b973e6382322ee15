"""Whole rows out of a table and into it: few as parameters of one statement, more through a stage."""
# ruff: noqa: S608  every name in the text comes from a declaration, values are parameters

from collections.abc import Sequence

from headrace.schemas.tables import Table
from headrace.schemas.targets.sql import quote
from headrace.warehouse.session import Cursor, Row
from headrace.warehouse.staging import rows_of

FEW_ROWS = 50
"""A stage costs three statements more, which over a network is what a small batch takes its time for."""


def delete(cursor: Cursor, table: Table, rows: Sequence[Row]) -> None:
    """Delete exactly these rows: equality of all their columns, none of which is NULL."""
    target = quote(table.name)
    names = [quote(column.name) for column in table.columns]
    if len(rows) > FEW_ROWS:
        stage = _stage(cursor, table, "gone", rows)
        same = " AND ".join(f"{target}.{name} = {stage}.{name}" for name in names)
        cursor.execute(f"DELETE FROM {target} USING {stage} WHERE {same}")
    elif rows:
        one = " AND ".join(f"{name} = %s" for name in names)
        cursor.execute(f"DELETE FROM {target} WHERE " + " OR ".join([f"({one})"] * len(rows)), _flat(rows))


def insert(cursor: Cursor, table: Table, rows: Sequence[Row]) -> None:
    """Insert whole rows."""
    target = quote(table.name)
    if len(rows) > FEW_ROWS:
        cursor.execute(f"INSERT INTO {target} SELECT * FROM {_stage(cursor, table, 'new', rows)}")
    elif rows:
        one = f"({', '.join(['%s'] * len(table.columns))})"
        cursor.execute(f"INSERT INTO {target} VALUES " + ", ".join([one] * len(rows)), _flat(rows))


def _stage(cursor: Cursor, table: Table, what: str, rows: Sequence[Row]) -> str:
    """The stage's name, quoted."""
    name = f"stage_{table.name}_{what}"
    cursor.stage(table, name, [rows_of(table, rows)])
    return quote(name)


def _flat(rows: Sequence[Row]) -> list[object]:
    return [value for row in rows for value in row]
