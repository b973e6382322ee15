"""`headrace batch ingest`: loan files as downloaded are checked, written down, and taken once."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from cli.consoles import console, grid
from cli.exit_codes import GOOD
from cli.place import Place, tell
from cli.printable import printable
from headrace.ops.settings import load

if TYPE_CHECKING:
    from batch_jobs.ingest import Taken

_MOST_SHOWN = 3  # of the files that were passed over; the JSON has all

EXAMPLE = """
\b
Example: headrace batch ingest full_set_standard_historical_data.zip
         headrace batch ingest ~/Downloads/historical_data_2005Q1.zip sample_2006.zip
         headrace batch ingest loans/ --dry-run
"""


@click.command(epilog=EXAMPLE)
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="PATH..."
)
@click.option("--dry-run", is_flag=True, help="Read and judge the files, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(place: Place, /, *, paths: tuple[Path, ...], dry_run: bool, as_json: bool) -> int:
    """Take loan files of Freddie Mac's single-family data set: zips, also in zips, text files, or folders.

    Each file's name, layout, loan ids and number of fields are checked. Text out of zips is kept in the raw
    area; text files stay where they are. A file is known by its checksum, so the same command again does
    nothing twice; other content for a vintage is a re-delivery, and replaces the earlier one when it is
    converted. Exit code 1: a file was refused; those before it are taken.
    """
    from batch_jobs.ingest import take  # noqa: PLC0415  the help should not wait for it
    from batch_jobs.ingest.finding import size_of  # noqa: PLC0415  the same
    from batch_jobs.settings import BatchSettings  # noqa: PLC0415  the same
    from batch_jobs.storage import Storage  # noqa: PLC0415  the same

    settings = load(BatchSettings, place.environ)
    storage = Storage(settings.root_folder, place.environ)
    taken: list[Taken] = []
    passed_over: list[str] = []
    try:
        with _bar(size_of(paths)) as advance:
            found = take(
                paths,
                storage,
                place.clock,
                advance=advance,
                skipped=passed_over.append,
                scratch=Path(settings.state),
                dry_run=dry_run,
            )
            for one in found:
                taken.append(one)
                if not sys.stderr.isatty():
                    tell(f"{one.outcome}: {printable(one.place)}, {one.input.rows:,} rows")
    finally:  # what was taken before an error is told before the error
        if as_json:
            _print_json(taken, passed_over, dry_run=dry_run)
        else:
            _draw(taken, dry_run=dry_run)
            _list(passed_over)
    return GOOD


def _draw(taken: "Sequence[Taken]", *, dry_run: bool) -> None:
    if not taken:
        return
    drawn = grid("what would be taken" if dry_run else "what was taken")
    for name in ("file", "kind", "vintage", "layout", "losses", "rows", "odd rows", "outcome"):
        drawn.add_column(name, justify="right" if name.endswith("rows") else "left")
    for one in taken:
        entry = one.input
        drawn.add_row(
            Text(printable(Path(one.place.rpartition(" > ")[2]).name)),
            *(entry.kind, entry.vintage, entry.layout, entry.losses),
            *(f"{entry.rows:,}", f"{one.odd_rows:,}", one.outcome),
        )
    console().print(drawn)
    if any(one.odd_rows for one in taken):
        console().print("  odd rows have another number of fields: they are rejected when they are converted")


def _list(passed_over: Sequence[str]) -> None:
    if not passed_over:
        return
    shown = ", ".join(map(printable, passed_over[:_MOST_SHOWN]))
    more = len(passed_over) - _MOST_SHOWN
    console().print(
        Text(f"  passed over, no loan files: {shown}" + (f", and {more:,} more" if more > 0 else "")),
        soft_wrap=True,
    )


def _print_json(taken: "Sequence[Taken]", passed_over: Sequence[str], *, dry_run: bool) -> None:
    told = {"dry_run": dry_run, "files": [_told(one) for one in taken], "passed_over": passed_over}
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")


def _told(one: "Taken") -> dict[str, object]:
    """One file for a program; the splits are the manifest's affair."""
    entry: dict[str, object] = msgspec.to_builtins(one.input)
    del entry["splits"]
    return entry | {"outcome": one.outcome, "place": one.place, "odd_rows": one.odd_rows}


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr, where that is a terminal."""
    columns = (TextColumn("ingesting"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    out = Console(stderr=True)
    with Progress(*columns, console=out, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("ingest", total=total)
        yield lambda done: bar.advance(task, done)
