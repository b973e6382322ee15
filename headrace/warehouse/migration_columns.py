"""Which columns of a table that exists must be added or widened, and whether that can be."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from headrace.errors import SchemaMismatch
from headrace.schemas.tables import Column, Table
from headrace.schemas.targets.redshift import add_column, widen_column
from headrace.warehouse.catalogue import Catalogue, ColumnThere
from headrace.warehouse.reader import Statement


class ColumnChange(NamedTuple):
    """One ALTER TABLE, and what it does in words; `widens`: no view may stand on its table meanwhile."""

    table: str
    said: str
    statement: Statement
    widens: bool


def column_changes(there: Catalogue, tables: Iterable[Table]) -> list[ColumnChange]:
    """Every change that the existing tables need.

    Raises `SchemaMismatch` when columns are in another order, unknown, or new and not nullable.
    """
    return [
        change
        for table in tables
        if table.name in there.columns
        for change in _changes(table, there.columns[table.name])
    ]


def _changes(table: Table, found: Sequence[ColumnThere]) -> Iterator[ColumnChange]:
    for column in _missing(table, [name for name, _ in found]):
        statement = Statement(add_column(table, column))
        yield ColumnChange(table.name, f"column {table.name}.{column.name} added", statement, widens=False)
    for name, length in found:
        column = table.column(name)
        if column.type.name == "text" and length is not None and length < (column.type.max_bytes or 0):
            said = f"column {table.name}.{name} widened from {length} to {column.type.max_bytes} bytes"
            yield ColumnChange(table.name, said, Statement(widen_column(table, column)), widens=True)


def _missing(table: Table, found: Sequence[str]) -> Sequence[Column]:
    """The declared columns behind those that are there: rows come in by position."""
    declared = [column.name for column in table.columns]
    if declared[: len(found)] != list(found):
        raise SchemaMismatch(
            f"table {table.name} has the columns {list(found)}, this version declares {declared}: "
            "give the changed output a new name, or take the version that made the table"
        )
    missing = table.columns[len(found) :]
    if needed := [column.name for column in missing if not column.nullable]:
        raise SchemaMismatch(
            f"table {table.name} lacks {needed}, and rows that are there would have no value for it: "
            "give the changed output a new name"
        )
    return missing
