"""MySQL DDL, for RDS MySQL 8 and MariaDB alike.

Source: MySQL 8.4 Reference Manual, "Data Type Storage Requirements" and "Limits on Table Column Count and Row
Size". VARCHAR and never CHAR, which drops trailing blanks; DATETIME and never TIMESTAMP, which ends in 2038.
"""

from collections.abc import Collection, Sequence

from headrace.schemas.tables import Column, ColumnType, Table

MAX_SCALE = 30
_MAX_ROW_BYTES, _MAX_KEY_BYTES = 65_535, 3_072
_BYTES_PER_CHARACTER = 4
_ASIDE = {"text": "TEXT", "bytes": "LONGBLOB"}  # stored beside the row; TEXT takes any text of the model
_ASIDE_BYTES = 12
_PLAIN = {
    "bigint": ("BIGINT", 8),
    "int": ("INT", 4),
    "smallint": ("SMALLINT", 2),
    "double": ("DOUBLE", 8),
    "boolean": ("TINYINT(1)", 1),
    "date": ("DATE", 3),
    "timestamp": ("DATETIME(6)", 8),
}


def create_table(table: Table, *, key: Sequence[str] = ()) -> str:
    """CREATE TABLE IF NOT EXISTS, with a PRIMARY KEY when `key` names columns.

    The widest columns become TEXT or LONGBLOB where the row would be too long for MySQL.
    Raises ValueError when MySQL cannot have such a table.
    """
    _check(table, key)
    aside = _too_wide(table, key)
    lines = [_column(column, column.name in aside) for column in table.columns]
    if key:
        lines.append(f"PRIMARY KEY ({', '.join(quote(name) for name in key)})")
    listed = ",\n".join(f"  {line}" for line in lines)
    options = "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    return f"CREATE TABLE IF NOT EXISTS {quote(table.name)} (\n{listed}\n) {options}"


def type_name(type_: ColumnType) -> str:
    """The column type; VARCHAR counts characters here, so the codec's limit in bytes is the narrower one."""
    if type_.name == "text":
        return f"VARCHAR({type_.max_bytes})"
    if type_.name == "bytes":
        return f"VARBINARY({type_.max_bytes})"
    if type_.name == "decimal":
        return f"DECIMAL({type_.precision}, {type_.scale})"
    return _PLAIN[type_.name][0]


def quote(name: str) -> str:
    """`name` as a quoted identifier."""
    return "`" + name.replace("`", "``") + "`"


def _column(column: Column, aside: bool) -> str:  # noqa: FBT001  of two kinds of storage
    type_ = _ASIDE[column.type.name] if aside else type_name(column.type)
    return f"{quote(column.name)} {type_}{'' if column.nullable else ' NOT NULL'}"


def _too_wide(table: Table, key: Collection[str]) -> set[str]:
    """The columns that must lie beside the row: the widest first, until the row fits."""
    widths = {column.name: _width(column.type) for column in table.columns}
    left = sum(widths.values()) + len(widths) // 8 + 1
    aside: set[str] = set()
    movable = (column for column in table.columns if column.type.name in _ASIDE and column.name not in key)
    for column in sorted(movable, key=lambda column: -widths[column.name]):
        if left <= _MAX_ROW_BYTES:
            break
        left -= widths[column.name] - _ASIDE_BYTES
        aside.add(column.name)
    return aside


def _width(type_: ColumnType) -> int:
    """The most bytes that a value takes in the row."""
    if type_.name == "text":
        return (type_.max_bytes or 0) * _BYTES_PER_CHARACTER + 2
    if type_.name == "bytes":
        return (type_.max_bytes or 0) + 2
    return (type_.precision or 0) + 2 if type_.name == "decimal" else _PLAIN[type_.name][1]


def _check(table: Table, key: Sequence[str]) -> None:
    for column in table.columns:
        if (column.type.scale or 0) > MAX_SCALE:
            raise ValueError(
                f"{table.name}.{column.name}: MySQL has at most {MAX_SCALE} digits after the point"
            )
    columns = [table.column(name) for name in key]
    if nullable := [column.name for column in columns if column.nullable]:
        raise ValueError(f"{table.name}: a primary key of {nullable}, which may be NULL")
    if sum(_width(column.type) for column in columns) > _MAX_KEY_BYTES:
        raise ValueError(f"{table.name}: a primary key of {list(key)} takes more than {_MAX_KEY_BYTES} bytes")
