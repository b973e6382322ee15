"""How `headrace` draws on a terminal, and where there is none."""

import sys

from rich import box
from rich.console import Console
from rich.table import Table

_PLAIN_WIDTH = 150  # where no terminal says how wide it is


def console() -> Console:
    """A console on stdout that does not cut lines where there is no terminal."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=_PLAIN_WIDTH)


def grid(title: str) -> Table:
    """An empty table in the one style."""
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
