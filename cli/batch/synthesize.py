"""`headrace batch synthesize`: loan files that look like the real ones, with the truth beside them."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from batch_jobs.settings import BatchSettings
from batch_jobs.synthetic.layouts import Layout
from cli.consoles import console, grid
from cli.place import Place, tell
from headrace.ops.clock import Clock
from headrace.ops.settings import load

if TYPE_CHECKING:
    from batch_jobs.synthetic.truth import Truth

_PLAIN_SECONDS = 5.0  # between two lines where there is no terminal

EXAMPLE = """
\b
Example: headrace batch synthesize --loans 20000
         headrace batch synthesize --loans 1000000 --from 1999 --to 2024 --zip --out /data/loans

\b
About 40 months a loan, 100 bytes a month. In the default vintages, whose loans did
worst, about 3 in 100 are 90 days late within 24 months. truth.json has the rows of
each file, its bad lines by reject code and its sums of money; truth_2005Q1.ndjson
the true probability of every loan, and bad_2005Q1.ndjson every bad line.
"""


@click.command(epilog=EXAMPLE)
@click.option("--loans", type=click.IntRange(min=1), default=2000, show_default=True, metavar="N")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=1, show_default=True, metavar="S")
@click.option("--layout", type=click.Choice(get_args(Layout)), default="r47", show_default=True)
@click.option("--from", "first", default="2005", show_default=True, metavar="VINTAGE", help="2005 or 2005Q1.")
@click.option("--to", "last", default="2008", show_default=True, metavar="VINTAGE")
@click.option(
    "--dirty",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Lines that have a bad copy beside them.",
)
@click.option("--zip", "zipped", is_flag=True, help="Quarter archives, as they are downloaded.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: one a core]")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Else `synthetic` in the state folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the truth as JSON.")
@click.pass_obj
def command(
    place: Place,
    /,
    *,
    loans: int,
    seed: int,
    layout: Layout,
    first: str,
    last: str,
    dirty: float,
    zipped: bool,
    jobs: int | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Write a book of loans, made up from a seed: origination and monthly performance of every quarter.

    The same seed gives the same loans in both layouts, and the same bytes whatever the number of processes.
    Files appear together once all are written; Ctrl-C leaves none.
    """
    from batch_jobs.synthetic import write  # noqa: PLC0415  the help should not wait for it

    chosen = folder or Path(load(BatchSettings, place.environ).state, "synthetic")
    with _progress(loans, place.clock) as advance:
        truth = write(
            chosen,
            loans=loans,
            seed=seed,
            layout=layout,
            first=first,
            last=last,
            dirty=dirty,
            zipped=zipped,
            jobs=jobs or os.cpu_count() or 1,
            advance=advance,
        )
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(truth)).decode() + "\n")
    else:
        _show(truth, chosen)


def _show(truth: "Truth", folder: Path) -> None:
    drawn = grid(f"a synthetic book in {folder}")
    for name in ("kind", "files", "lines", "good", "rejects due", "bytes"):
        drawn.add_column(name, justify="left" if name == "kind" else "right")
    for kind in ("origination", "performance"):
        files = [file for file in truth.files if file.kind == kind]
        lines, rows = sum(it.lines for it in files), sum(it.rows for it in files)
        size = sum(it.bytes for it in files)
        counts = (len(files), lines, rows, lines - rows, size)
        drawn.add_row(kind, *(f"{count:,}" for count in counts))
    out = console()
    out.print(drawn)
    out.print(
        f"{truth.bad:,} of {truth.known:,} loans are 90 days late, or end with a loss, within 24 months",
        soft_wrap=True,
    )


@contextmanager
def _progress(total: int, clock: Clock) -> Iterator[Callable[[int], None]]:
    """How far it is, on stderr: a bar, or a line every few seconds where there is no terminal."""
    if not sys.stderr.isatty():
        yield _plain(total, clock)
        return
    columns = (TextColumn("synthesizing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("synthesize", total=total)
        yield lambda loans: bar.advance(task, loans)


def _plain(total: int, clock: Clock) -> Callable[[int], None]:
    done, said = 0, clock.monotonic()

    def advance(loans: int) -> None:
        nonlocal done, said
        done += loans
        if clock.monotonic() - said >= _PLAIN_SECONDS:
            said = clock.monotonic()
            tell(f"{done:,} of {total:,} loans")

    return advance
