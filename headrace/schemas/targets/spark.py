"""Spark schemas as DDL text, so that nothing here needs pyspark."""

from headrace.schemas.record_type import Field, RecordType
from headrace.schemas.tables import ColumnType, Table

_FIELDS = {
    "text": "STRING",
    "integer": "BIGINT",
    "float": "DOUBLE",
    "boolean": "BOOLEAN",
    "bytes": "BINARY",
    "date": "DATE",
}


def table_schema(table: Table) -> str:
    """The schema of a table's rows, for `DataFrame` readers and `mapInArrow`."""
    return ", ".join(
        f"{quote(column.name)} {column_type(column.type)}{'' if column.nullable else ' NOT NULL'}"
        for column in table.columns
    )


def record_schema(record_type: RecordType) -> str:
    """The schema of a record type's `data`."""
    return ", ".join(
        f"{quote(field.name)} {field_type(field)}{'' if field.nullable else ' NOT NULL'}"
        for field in record_type.fields
    )


def column_type(type_: ColumnType) -> str:
    """The Spark type of a column."""
    if type_.name == "decimal":
        return f"DECIMAL({type_.precision},{type_.scale})"
    return {"text": "STRING", "bytes": "BINARY"}.get(type_.name, type_.name.upper())


def field_type(field: Field) -> str:
    """The Spark type of a record's field."""
    if field.kind == "list":
        items = ", ".join(f"{quote(item.name)}: {field_type(item)}" for item in field.items)
        return f"ARRAY<STRUCT<{items}>>"
    if field.kind == "decimal":
        return f"DECIMAL({field.precision},{field.scale})"
    return _FIELDS[field.kind]


def quote(name: str) -> str:
    """`name` as a quoted identifier."""
    return "`" + name.replace("`", "``") + "`"
