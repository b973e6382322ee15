"""What a deployment would do, as a person reads it: by stack, the data stores apart."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from cli.consoles import grid
from infra.deployment.changes import Change, Fate

_STYLES = {
    Fate.MADE: "green",
    Fate.CHANGED: "yellow",
    Fate.MAY_BE_REPLACED: "magenta",
    Fate.REPLACED: "bold magenta",
    Fate.LEFT: "bold red",
    Fate.DESTROYED: "bold red",
}


def draw(found: Sequence[Change]) -> RenderableType:
    """A table for each stack, and a line with the sum."""
    if not found:
        return Text("no changes", style="green")
    tables = []
    for stack, changes in groupby(found, key=lambda change: change.stack):
        table = grid(stack)
        for head in ("", "resource", "type"):
            table.add_column(head)
        for change in changes:
            fate = Text(_said(change), style=_STYLES[change.fate])
            table.add_row(fate, Text(change.resource), Text(change.type))
        tables.append(table)
    counts = Counter(change.fate for change in found)
    total = ", ".join(f"{counts[fate]:,} {fate}" for fate in Fate if counts[fate])
    return Group(*tables, Text(total))


def stores(found: Sequence[Change]) -> list[str]:
    """A line for each data store whose data is lost, or is no longer where the service looks."""
    return [
        f"  {change.stack}: {change.resource} ({change.type}): {_said(change)}"
        for change in found
        if change.of_data
    ]


def _said(change: Change) -> str:
    replaced = change.fate in (Fate.REPLACED, Fate.MAY_BE_REPLACED)
    return f"{change.fate}, the old one is kept" if replaced and change.kept else str(change.fate)
