"""What PostgreSQL and Redshift share: quoted identifiers and the names of most types."""

from headrace.schemas.tables import ColumnType

_PLAIN = {
    "bigint": "BIGINT",
    "int": "INTEGER",
    "smallint": "SMALLINT",
    "double": "DOUBLE PRECISION",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
}


def quote(name: str) -> str:
    """`name` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def type_name(type_: ColumnType, *, binary: str) -> str:
    """A column type in SQL; `binary` is the engine's type for bytes."""
    if type_.name == "text":
        return f"VARCHAR({type_.max_bytes})"
    if type_.name == "decimal":
        return f"DECIMAL({type_.precision}, {type_.scale})"
    return binary if type_.name == "bytes" else _PLAIN[type_.name]
