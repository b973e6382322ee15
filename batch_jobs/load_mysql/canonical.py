r"""The one text that stands for each value on its way into MySQL: written here, and proven there.

    text        itself
    integers    -17
    decimal     12.50, with all digits of the column's scale
    boolean     1 or 0
    date        2005-01-31
    timestamp   2005-01-31 23:59:59.000001, UTC
    bytes       hexadecimal, capital letters

A `double` has no text that every engine writes alike, so no table with one is taken. The lines are those of
LOAD DATA: tabs between fields, NULL as \N, a backslash before what would end a field or a line.
"""

import pyarrow as pa
import pyarrow.compute as pc

from headrace.schemas.tables import ColumnType, Table

_SPECIAL = r"[\\\t\n]"
_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"))
_PLAIN_SCALE = 6  # below, Arrow writes 1E-7
_MAX_VARCHAR = 1_000
_LONG = pa.large_string()


def lines(table: Table, rows: pa.Table) -> memoryview:
    """The rows, columns in the table's order, as the file that LOAD DATA reads."""
    if not rows.num_rows:
        return memoryview(b"")
    batch = rows.combine_chunks().to_batches()[0]
    fields = [
        _field(column.type, values) for column, values in zip(table.columns, batch.columns, strict=True)
    ]
    tab, end, nothing = (pa.scalar(text, _LONG) for text in ("\t", "\n", ""))
    joined = pc.binary_join_element_wise(*fields, tab, null_handling="replace", null_replacement="\\N")
    text = pc.binary_join_element_wise(joined, end, nothing)
    offsets = memoryview(text.buffers()[1]).cast("q")
    return memoryview(text.buffers()[2])[offsets[text.offset] : offsets[text.offset + len(text)]]


def staged(type_: ColumnType) -> str:
    """The column that holds the text on its way: longer than the type needs, so that nothing is cut."""
    if type_.name == "text":
        longest = (type_.max_bytes or 0) + 1
        return "MEDIUMTEXT" if longest > _MAX_VARCHAR else f"VARCHAR({longest})"
    return "LONGBLOB" if type_.name == "bytes" else "VARBINARY(64)"  # compared as bytes


def value(type_: ColumnType, name: str) -> str:
    """SQL: what goes into the column, for the staged text `name`."""
    return f"UNHEX({name})" if type_.name == "bytes" else name


def differs(type_: ColumnType, name: str) -> str:
    """SQL: whether the staged text `name`, cast to the type and back, is not the same bytes.

    A text is cast to itself, so only its length can do harm: trailing blanks would be cut without a word.
    Raises ValueError for a type that has no canonical text.
    """
    if type_.name == "text":
        return f"CHAR_LENGTH({name}) > {type_.max_bytes}"
    return f"NOT (CAST({_cast(type_, name)} AS CHAR) <=> {name})"


def _cast(type_: ColumnType, name: str) -> str:
    kind = type_.name
    if kind == "double":
        raise ValueError("a double has no one text, and is not loaded into MySQL: declare a decimal")
    if kind == "bytes":
        return f"HEX(LEFT(UNHEX({name}), {type_.max_bytes}))"
    if kind == "boolean":
        return f"(CAST({name} AS SIGNED) = 1)"
    if kind == "decimal":
        return f"CAST({name} AS DECIMAL({type_.precision}, {type_.scale}))"
    return f"CAST({name} AS {({'date': 'DATE', 'timestamp': 'DATETIME(6)'}).get(kind, 'SIGNED')})"


def _field(type_: ColumnType, values: pa.Array) -> pa.Array:
    """A column's canonical texts, as a field of LOAD DATA."""
    if type_.name == "text":
        return _escaped(values.cast(_LONG))
    if type_.name == "boolean":
        return pc.if_else(values, pa.scalar("1", _LONG), pa.scalar("0", _LONG))
    if type_.name == "bytes":
        return pa.array(
            [None if value is None else value.hex().upper() for value in values.to_pylist()], _LONG
        )
    if type_.name == "timestamp":
        return values.cast(pa.timestamp("us")).cast(_LONG)
    if type_.name == "decimal" and (type_.scale or 0) > _PLAIN_SCALE:
        return pa.array([None if value is None else f"{value:f}" for value in values.to_pylist()], _LONG)
    return values.cast(_LONG)


def _escaped(values: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring_regex(values, _SPECIAL)).as_py():
        return values
    for character, escape in _ESCAPES:
        values = pc.replace_substring(values, pattern=character, replacement=escape)
    return values
