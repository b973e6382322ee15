"""PostgreSQL DDL: the laptop's stand-in for Redshift, without what Redshift would not enforce."""

from collections.abc import Sequence

from headrace.schemas.tables import Column, ColumnType, Table
from headrace.schemas.targets import sql
from headrace.schemas.targets.sql import quote


def create_table(table: Table) -> str:
    """CREATE TABLE IF NOT EXISTS, without primary or unique keys, because Redshift does not enforce them."""
    columns = ",\n".join(f"  {_column(column)}" for column in table.columns)
    return f"CREATE TABLE IF NOT EXISTS {quote(table.name)} (\n{columns}\n)"


def create_indexes(table: Table) -> dict[str, str]:
    """By name: indexes on the sort key and the lookup key alone; a long text does not fit an index row."""
    wanted = {"sort": table.sort_key, "lookup": (table.lookup_key,) if table.lookup_key else ()}
    return dict(_index(table, suffix, columns) for suffix, columns in wanted.items() if columns)


def _index(table: Table, suffix: str, columns: Sequence[str]) -> tuple[str, str]:
    listed = ", ".join(quote(name) for name in columns)
    name = f"{table.name[: 61 - len(suffix)]}__{suffix}"
    return name, f"CREATE INDEX IF NOT EXISTS {quote(name)} ON {quote(table.name)} ({listed})"


def type_name(type_: ColumnType) -> str:
    """The column type; VARCHAR counts characters here, so the codec's limit in bytes is the narrower one."""
    return sql.type_name(type_, binary="BYTEA")


def _column(column: Column) -> str:
    return f"{quote(column.name)} {type_name(column.type)}{'' if column.nullable else ' NOT NULL'}"
