"""What the loading commands share: the partitions that the catalog names, and a bar while they go in."""

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.batch.spark import spark
from cli.place import Place
from headrace.schemas.loan_tables import LOAN_TABLES

if TYPE_CHECKING:
    from batch_jobs.manifest import Output
    from batch_jobs.storage import Storage

NONE = "nothing to load: `headrace batch originations` and `performance` make the tables"


def vintage(_context: click.Context, _option: click.Parameter, given: str | tuple[str, ...] | None) -> object:
    """A click callback: the vintages as given. Raises click.BadParameter for what is none."""
    from batch_jobs.manifest import is_vintage  # noqa: PLC0415  the help should not wait for it

    for text in (given,) if isinstance(given, str) else given or ():
        if not is_vintage(text):
            raise click.BadParameter(f"{text!r} is neither a quarter, 2005Q1, nor a year, 2005")
    return given


def partitions(
    place: Place, what: str, storage: "Storage", tables: Collection[str], vintages: Collection[str]
) -> "list[Output]":
    """Of the tables, all if none is named, the vintages, all if none is named, by table.

    Spark has ended when they are loaded: both would want the processors.

    Raises click.UsageError for a vintage that no table has, and what `spark` and the catalog raise.
    """
    from batch_jobs.hive import Catalog  # noqa: PLC0415  the help should not wait for it

    with spark(place, what) as session:
        catalog = Catalog(session, storage)
        found = [
            output
            for name, table in LOAN_TABLES.items()
            if not tables or name in tables
            for output in catalog.outputs(table)
        ]
    if missing := set(vintages) - {output.vintage for output in found}:
        raise click.UsageError(f"no table has the vintage {', '.join(sorted(missing))}")
    return [output for output in found if not vintages or output.vintage in vintages]


@contextmanager
def bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar of rows on stderr, where that is a terminal."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    out = Console(stderr=True)
    with Progress(*columns, console=out, transient=True, disable=not sys.stderr.isatty()) as shown:
        task = shown.add_task(what, total=total)
        yield lambda rows: shown.advance(task, rows)
