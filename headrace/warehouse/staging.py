"""Rows on their way into a table: given its columns and types, and checked, before they are staged."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from headrace.errors import WarehouseRefused
from headrace.schemas.tables import ColumnType, Table

UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")
_ARROW_TYPES: Mapping[str, pa.DataType] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "smallint": pa.int16(),
    "date": pa.date32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": UTC_MICROSECONDS,
    "bytes": pa.binary(),
}


def arrow_type(type_: ColumnType) -> pa.DataType:
    """The Arrow type that holds a column's values exactly."""
    if type_.name == "decimal":
        return pa.decimal128(type_.precision, type_.scale)
    return _ARROW_TYPES[type_.name]


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of a whole row of `table`, in its column order."""
    return pa.schema(
        pa.field(column.name, arrow_type(column.type), nullable=column.nullable) for column in table.columns
    )


def rows_of(table: Table, rows: Sequence[Sequence[object]]) -> pa.Table:
    """Plain rows, each with every column of `table` in its order; at least one."""
    schema = arrow_schema(table)
    columns = zip(*rows, strict=True)
    return pa.table(
        [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema
    )


def conform(table: Table, rows: pa.Table, constants: Mapping[str, object] | None = None) -> pa.Table:
    """`rows` with exactly the columns of `table`, in its order and types; `constants` fill columns that lack.

    Staging tables are loaded by position and whole, as Redshift's COPY does.
    Raises `WarehouseRefused` when a column is missing or unknown, or a value does not fit its type.
    """
    given, constants = set(rows.column_names), constants or {}
    expected = {column.name for column in table.columns}
    if given | constants.keys() != expected:
        raise WarehouseRefused(
            f"rows for {table.name}: missing {sorted(expected - given - constants.keys())}, "
            f"unknown {sorted(given - expected)}"
        )
    schema = arrow_schema(table)
    try:
        columns = [
            rows[field.name].cast(field.type)
            if field.name in given
            else pa.repeat(pa.scalar(constants[field.name], field.type), rows.num_rows)
            for field in schema
        ]
    except pa.ArrowException as error:
        raise WarehouseRefused(f"rows for {table.name}: {error}") from error
    return pa.table(columns, schema=schema)


def check_unique(table: Table, rows: pa.Table, keys: Sequence[str]) -> None:
    """Raise `WarehouseRefused` when two rows have the same keys.

    MERGE inserts every unmatched source row, so a repeated key would become two rows for ever.
    """
    if rows.num_rows > 1 and rows.group_by(list(keys)).aggregate([]).num_rows != rows.num_rows:
        raise WarehouseRefused(
            f"rows for {table.name} repeat a key of {', '.join(keys)}: a fault of the fold"
        )


def harmless(table: Table, rows: pa.Table) -> pa.Table:
    """`rows` whose texts any engine accepts: NUL becomes U+FFFD, and a text too long for its column is cut.

    Only for rejects: what is wrong with a record must not stop the stream, and its raw bytes stay whole.
    """
    for index, column in enumerate(table.columns):
        if column.type.name != "text":
            continue
        values = pc.replace_substring(rows.column(index), pattern="\0", replacement="\ufffd")
        limit = column.type.max_bytes or 0
        longest = pc.max(pc.binary_length(values)).as_py() or 0
        if longest > limit:
            # A character takes at most four bytes; only rows that need it pay in precision.
            fits = pc.less_equal(pc.binary_length(values), limit)
            values = pc.if_else(fits, values, pc.utf8_slice_codeunits(values, 0, limit // 4))
        rows = rows.set_column(index, rows.schema.field(index), values)
    return rows
