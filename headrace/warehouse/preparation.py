"""What must exist before the first batch, and whether it does."""

from collections.abc import Iterable, Sequence

from headrace.errors import SchemaMismatch
from headrace.schemas.loan_tables import LOAN_TABLES
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.tables import Table
from headrace.warehouse.session import Cursor
from headrace.warehouse.system_tables import SYSTEM_TABLES

ANALYST = "headrace_analyst"

COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns "
    "WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
)
"""Every column that this user may see, as (table, column)."""

FIRST_VERSION = (
    "INSERT INTO ledger_version (version) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM ledger_version)"
)


def tables(outputs: Sequence[WindowedOutput]) -> list[Table]:
    """Every table of the warehouse."""
    parts = (output.parts_table() for output in outputs)
    windows = [output.table() for output in outputs]
    return [*SYSTEM_TABLES, *LOAN_TABLES.values(), *windows, *(p for p in parts if p is not None)]


def check(cursor: Cursor, outputs: Sequence[WindowedOutput], remedy: str) -> None:
    """Raise `SchemaMismatch` when a table is missing, with what to do about it, or has other columns.

    Staging is by position, so a table with other columns must not be written to.
    """
    cursor.execute(COLUMNS)
    found = columns_by_table(cursor)
    for table in tables(outputs):
        if table.name not in found:
            raise SchemaMismatch(f"the warehouse has no table {table.name}: {remedy}")
        expected = [column.name for column in table.columns]
        if found[table.name] != expected:
            raise SchemaMismatch(
                f"table {table.name} has the columns {found[table.name]}, this version declares {expected}: "
                "migrate it, or give the changed output a new name"
            )


def columns_by_table(rows: Iterable[Sequence[object]]) -> dict[str, list[str]]:
    """The rows of `COLUMNS` as the columns of each table, in their order."""
    found: dict[str, list[str]] = {}
    for table, column in rows:
        found.setdefault(str(table), []).append(str(column))
    return found
