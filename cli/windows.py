"""`headrace windows`: the newest windows of each output."""

import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

import click
import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from cli.consoles import console, grid
from cli.place import Place
from cli.rows import text
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.registry import OUTPUTS
from headrace.schemas.targets.sql import quote
from headrace.warehouse.reader import Reader, Rows, Statement
from headrace.warehouse.views import is_final

_WIDEST_KEY = 48  # a path may be long; `headrace query` shows all of it
_HIDDEN = ("window_end", "updated_at")


class Newest(NamedTuple):
    """The newest rows of one output; `final` says of each row whether its window can still change."""

    output: WindowedOutput
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    final: Sequence[bool]


@click.command(epilog="Example: headrace windows web_traffic_1m --rows 20")
@click.argument("name", required=False, type=click.Choice(list(OUTPUTS)))
@click.option("--rows", default=8, show_default=True, type=click.IntRange(1, 10_000), help="Rows per output.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(place: Place, name: str | None, rows: int, *, as_json: bool) -> None:
    """Show the newest windows of each output, open and final apart.

    An open window may still grow; to a final one, whatever still comes is added as late and flagged.
    """
    outputs = [OUTPUTS[each] for each in ([name] if name else OUTPUTS)]
    with place.analyst() as reader:
        found = newest(reader, outputs, rows)
    if as_json:
        sys.stdout.write(_json(found) + "\n")
    else:
        console().print(Group(*map(table, found)))


def newest(reader: Reader, outputs: Sequence[WindowedOutput], rows: int) -> list[Newest]:
    """The newest rows of each output, each window's largest first; all of one state."""
    found = reader.read(*(newest_statement(output, rows) for output in outputs))
    return [newest_of(output, each) for output, each in zip(outputs, found, strict=True)]


def newest_statement(output: WindowedOutput, rows: int) -> Statement:
    """The question; `newest_of` reads the answer."""
    return Statement(
        f"SELECT windows.*, COALESCE({is_final(output)}, FALSE) AS final "  # noqa: S608  a declared name
        f"FROM {quote(output.name)} AS windows CROSS JOIN frontier "
        f"ORDER BY windows.window_start DESC, windows.records DESC LIMIT {rows}"
    )


def newest_of(output: WindowedOutput, found: Rows) -> Newest:
    """The rows, and of each whether its window is final."""
    rows, final = [row[:-1] for row in found.rows], [bool(row[-1]) for row in found.rows]
    return Newest(output, found.columns[:-1], rows, final)


def table(found: Newest) -> Table:
    """The rows as a table: open windows first, then the final ones."""
    every = int(found.output.every.total_seconds() // 60)
    drawn = grid(f"{found.output.name} (every {every} min)")
    shown = [index for index, column in enumerate(found.columns) if column not in _HIDDEN]
    keys = {"window_start", *(key.name for key in found.output.keys)}
    for index in shown:
        column = found.columns[index]
        side: Literal["left", "right"] = "left" if column in keys else "right"
        head = column if column in keys else column.replace("_", "_\n")  # so that many measures fit
        drawn.add_column(head, justify=side, no_wrap=True)
    drawn.add_column("state")
    for final in (False, True):
        for row, settled in zip(found.rows, found.final, strict=True):
            if settled is final:
                state = Text("final", style="green") if final else Text("open", style="yellow")
                drawn.add_row(*(Text(_cell(row[index])) for index in shown), state)
        drawn.add_section()
    return drawn


def _cell(value: object) -> str:
    if isinstance(value, int | float | Decimal):
        return f"{value:,.0f}"
    cell = text(value)
    return cell if len(cell) <= _WIDEST_KEY else cell[: _WIDEST_KEY - 1] + "…"


def _json(found: Sequence[Newest]) -> str:
    described = {
        each.output.name: [
            dict(zip(each.columns, row, strict=True)) | {"final": final}
            for row, final in zip(each.rows, each.final, strict=True)
        ]
        for each in found
    }
    return msgspec.json.format(msgspec.json.Encoder(decimal_format="number").encode(described)).decode()
