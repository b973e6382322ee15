"""The SQL that puts a staged vintage of a loan table in its place; Redshift and PostgreSQL run the same.

Keys and NOT NULL apart, Redshift enforces nothing: what must hold of the staged rows is asked for.
"""
# ruff: noqa: S608  every name in the text comes from a declaration, values are parameters

from collections.abc import Sequence

from headrace.schemas.tables import Table
from headrace.schemas.targets.sql import quote

LOCK_BATCH = "LOCK TABLE batch_lock"
"""First in a load's transaction: Redshift takes its snapshot at the first statement."""

LOADED = "SELECT input_sha256, rows_in, rows_loaded FROM batch_loads WHERE table_name = %s AND vintage = %s"
FORGET_LOAD = "DELETE FROM batch_loads WHERE table_name = %s AND vintage = %s"
BOOK_LOAD = (
    "INSERT INTO batch_loads (table_name, vintage, input_name, input_sha256, rows_in, rows_loaded, rejected, "
    "loaded_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
)

REJECTS_MERGED = "SELECT rejected FROM batch_rejects WHERE input_sha256 = %s"
BOOK_REJECTS = (
    "INSERT INTO batch_rejects (input_sha256, input_name, rejected, merged_at) VALUES (%s, %s, %s, %s)"
)


def stage_name(table: Table) -> str:
    """The name of the staging table."""
    return f"stage_{table.name}"


def totals(table: Table) -> str:
    """How many rows are staged, and the first and the last vintage among them."""
    return f"SELECT COUNT(*), MIN(vintage), MAX(vintage) FROM {quote(stage_name(table))}"


def repeated(table: Table, keys: Sequence[str]) -> str:
    """Some keys that more than one staged row has; none, when all is well."""
    listed = ", ".join(quote(key) for key in keys)
    return (
        f"SELECT {listed} FROM {quote(stage_name(table))} GROUP BY {listed} HAVING COUNT(*) > 1 "
        f"ORDER BY {listed} LIMIT 3"
    )


def clear(table: Table) -> str:
    """Delete a vintage's rows."""
    return f"DELETE FROM {quote(table.name)} WHERE vintage = %s"


def fill(table: Table) -> str:
    """Insert the staged rows, by the names of their columns."""
    listed = ", ".join(quote(column.name) for column in table.columns)
    return f"INSERT INTO {quote(table.name)} ({listed}) SELECT {listed} FROM {quote(stage_name(table))}"


def rows_of(table: Table, vintage: str | None) -> str:
    """The rows of a vintage, or of all, in the order of the columns; the vintage is one that `is_vintage`."""
    listed = ", ".join(quote(column.name) for column in table.columns)
    where = "" if vintage is None else f" WHERE vintage = '{vintage}'"
    return f"SELECT {listed} FROM {quote(table.name)}{where}"
