r"""Arrow tables as PostgreSQL's COPY text format, built column by column without a Python loop over rows.

Source: PostgreSQL manual, COPY, "Text Format". The text format and not CSV, because before PostgreSQL 18 a
line `\.` inside a quoted CSV value ends the data.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

ROWS_PER_CHUNK = 20_000
_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
_ESCAPED = r"[\\\t\n\r]"
_NULL = pa.scalar("\\N", pa.large_string())


def copy_text(rows: pa.Table) -> Iterator[memoryview]:
    r"""The rows as payloads for `COPY … FROM STDIN`; NULL is `\N`."""
    for batch in rows.to_batches(max_chunksize=ROWS_PER_CHUNK):
        fields = [_field(column) for column in batch.columns]
        lines = pc.binary_join_element_wise(
            *fields, pa.scalar("\t", pa.large_string()), null_handling="replace", null_replacement="\\N"
        )
        if isinstance(lines, pa.Scalar):
            lines = pa.repeat(lines, batch.num_rows)
        text = pc.binary_join_element_wise(
            lines, pa.scalar("", pa.large_string()), pa.scalar("\n", pa.large_string())
        )
        if len(text):
            start, end = text.offset, text.offset + len(text)
            offsets = memoryview(text.buffers()[1]).cast("q")
            yield memoryview(text.buffers()[2])[offsets[start] : offsets[end]]


def _field(column: pa.Array) -> pa.Array | pa.Scalar:
    """The column's texts, escaped; one scalar where every value is NULL: a wide row has many such columns."""
    if column.null_count == len(column):
        return _NULL
    if pa.types.is_binary(column.type):
        values = (None if value is None else "\\\\x" + value.hex() for value in column.to_pylist())
        return pa.array(values, pa.large_string())
    text = column.cast(pa.large_string())
    if pa.types.is_string(column.type) and pc.any(pc.match_substring_regex(text, _ESCAPED)).as_py():
        for character, escape in _ESCAPES:
            text = pc.replace_substring(text, pattern=character, replacement=escape)
    return text
