"""Rows of a query as text: a table for a person, CSV or JSON (both streamed) for a program."""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, TextIO

import msgspec

Format = Literal["table", "csv", "json"]
Row = Sequence[object]

_WIDEST = 80  # of a table's column; the other formats cut nothing


def write(columns: Sequence[str], rows: Iterator[Row], form: Format, out: TextIO) -> None:
    """Write the rows in one of the forms; times are UTC. A statement without columns has nothing to write."""
    if not columns:
        return
    {"table": _table, "csv": _csv, "json": _json}[form](columns, rows, out)


def text(value: object) -> str:
    """A value as a person reads it; NULL is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat(sep=" ")
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case _:
            return str(value)


def _table(columns: Sequence[str], rows: Iterator[Row], out: TextIO) -> None:
    shown, right = [], [True] * len(columns)
    for row in rows:
        right = [
            was
            and (value is None or (isinstance(value, int | float | Decimal) and not isinstance(value, bool)))
            for was, value in zip(right, row, strict=True)
        ]
        shown.append([_cut(text(value)) for value in row])
    widths = [max(map(len, column)) for column in zip(columns, *shown, strict=True)]
    _line(columns, widths, right, out)
    out.write("  ".join("-" * width for width in widths) + "\n")
    for cells in shown:
        _line(cells, widths, right, out)
    out.write(f"({len(shown)} row{'' if len(shown) == 1 else 's'})\n")


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool], out: TextIO) -> None:
    aligned = (
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    )
    out.write("  ".join(aligned).rstrip() + "\n")


def _cut(cell: str) -> str:
    line = cell.translate(dict.fromkeys(range(32), "\N{REPLACEMENT CHARACTER}"))
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"


def _csv(columns: Sequence[str], rows: Iterator[Row], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([text(value) for value in row] for row in rows)


def _json(columns: Sequence[str], rows: Iterator[Row], out: TextIO) -> None:
    # A decimal is written as a number, with every digit.
    encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=text)
    before = "[\n  "
    for row in rows:
        out.write(before + encoder.encode(dict(zip(columns, row, strict=True))).decode())
        before = ",\n  "
    out.write("[]\n" if before == "[\n  " else "\n]\n")
