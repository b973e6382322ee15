"""Redshift DDL with physical design: distribution, sort order and encodings."""

from headrace.schemas.tables import Column, ColumnType, Table


def create_table(table: Table) -> str:
    """CREATE TABLE IF NOT EXISTS with ENCODE per column, DISTKEY or DISTSTYLE EVEN, and a compound SORTKEY."""
    columns = ",\n".join(f"  {_column(column, table)}" for column in table.columns)
    distribution = f"DISTSTYLE KEY DISTKEY ({quote(table.dist_key)})" if table.dist_key else "DISTSTYLE EVEN"
    order = ", ".join(quote(name) for name in table.sort_key)
    suffix = f"\n{distribution}" + (f"\nCOMPOUND SORTKEY ({order})" if order else "")
    return f"CREATE TABLE IF NOT EXISTS {quote(table.name)} (\n{columns}\n){suffix}"


def type_name(type_: ColumnType) -> str:
    """The column type; VARCHAR counts bytes."""
    match type_.name:
        case "text":
            return f"VARCHAR({type_.max_bytes})"
        case "decimal":
            return f"DECIMAL({type_.precision}, {type_.scale})"
        case "int":
            return "INTEGER"
        case "double":
            return "DOUBLE PRECISION"
        case "timestamp":
            return "TIMESTAMPTZ"
        case "bytes":
            return f"VARBYTE({type_.max_bytes})"
        case "bigint" | "boolean":
            return type_.name.upper()


def quote(name: str) -> str:
    """`name` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def _column(column: Column, table: Table) -> str:
    null = "" if column.nullable else " NOT NULL"
    return f"{quote(column.name)} {type_name(column.type)}{null} ENCODE {_encoding(column, table)}"


def _encoding(column: Column, table: Table) -> str:
    """RAW for the first sort key column, so that blocks are skipped well; else by type."""
    if table.sort_key and column.name == table.sort_key[0]:
        return "RAW"
    match column.type.name:
        case "text" | "bytes":
            return "ZSTD"
        case "boolean" | "double":
            return "RAW"
        case "bigint" | "int" | "decimal" | "timestamp":
            return "AZ64"
