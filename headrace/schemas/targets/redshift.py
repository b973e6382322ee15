"""Redshift DDL with physical design: distribution, sort order and encodings."""

from headrace.schemas.tables import Column, ColumnType, Table
from headrace.schemas.targets import sql
from headrace.schemas.targets.sql import quote

_ENCODINGS = {
    "text": "ZSTD",
    "bytes": "ZSTD",
    "boolean": "RAW",
    "double": "RAW",
    "bigint": "AZ64",
    "int": "AZ64",
    "smallint": "AZ64",
    "date": "AZ64",
    "decimal": "AZ64",
    "timestamp": "AZ64",
}


def create_table(table: Table) -> str:
    """CREATE TABLE IF NOT EXISTS with ENCODE per column, the distribution and a compound SORTKEY."""
    columns = ",\n".join(f"  {_column(column, table)}" for column in table.columns)
    lines = [f"CREATE TABLE IF NOT EXISTS {quote(table.name)} (\n{columns}\n)"]
    if table.dist_key is None:
        lines.append("DISTSTYLE EVEN")
    else:
        lines.append(f"DISTSTYLE KEY\nDISTKEY ({quote(table.dist_key)})")
    if table.sort_key:
        lines.append(f"COMPOUND SORTKEY ({', '.join(quote(name) for name in table.sort_key)})")
    return "\n".join(lines)


def add_column(table: Table, column: Column) -> str:
    """ALTER TABLE that adds one column, behind the others: Redshift takes one at a time."""
    return f"ALTER TABLE {quote(table.name)} ADD COLUMN {_column(column, table)}"


def widen_column(table: Table, column: Column) -> str:
    """ALTER TABLE that gives a text column its declared length; no transaction takes it."""
    return f"ALTER TABLE {quote(table.name)} ALTER COLUMN {quote(column.name)} TYPE {type_name(column.type)}"


def type_name(type_: ColumnType) -> str:
    """The column type; VARCHAR counts bytes."""
    return sql.type_name(type_, binary=f"VARBYTE({type_.max_bytes})")


def _column(column: Column, table: Table) -> str:
    null = "" if column.nullable else " NOT NULL"
    return f"{quote(column.name)} {type_name(column.type)}{null} ENCODE {_encoding(column, table)}"


def _encoding(column: Column, table: Table) -> str:
    """RAW for the first sort key column, so that whole blocks are skipped; else by type."""
    return "RAW" if column.name in table.sort_key[:1] else _ENCODINGS[column.type.name]
