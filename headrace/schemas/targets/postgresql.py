"""PostgreSQL DDL: the laptop's stand-in for Redshift, without what Redshift would not enforce."""

from headrace.schemas.tables import Column, ColumnType, Table
from headrace.schemas.targets import sql
from headrace.schemas.targets.sql import quote


def create_table(table: Table) -> str:
    """CREATE TABLE IF NOT EXISTS, without primary or unique keys, because Redshift does not enforce them."""
    columns = ",\n".join(f"  {_column(column)}" for column in table.columns)
    return f"CREATE TABLE IF NOT EXISTS {quote(table.name)} (\n{columns}\n)"


def create_indexes(table: Table) -> list[str]:
    """An index on the sort key alone: a long text does not fit an index row."""
    if not table.sort_key:
        return []
    columns = ", ".join(quote(name) for name in table.sort_key)
    index = quote(f"{table.name[:57]}__sort")
    return [f"CREATE INDEX IF NOT EXISTS {index} ON {quote(table.name)} ({columns})"]


def type_name(type_: ColumnType) -> str:
    """The column type; VARCHAR counts characters here, so the codec's limit in bytes is the narrower one."""
    return sql.type_name(type_, binary="BYTEA")


def _column(column: Column) -> str:
    return f"{quote(column.name)} {type_name(column.type)}{'' if column.nullable else ' NOT NULL'}"
