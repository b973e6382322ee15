"""`headrace spool`: what a producer's spool holds, whether it is sound, and its records, on a bad day."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from cli.consoles import console, grid
from cli.exit_codes import FAILED, GOOD
from cli.place import Place, tell
from headrace.errors import SettingsError
from producers.spool.export import FORMS, Wanted, export
from producers.spool.inspection import LifeReport, SpoolReport, inspect, spools
from producers.spool.pruning import prunable
from producers.spool.verification import Finding, Verification, size, verify

_MOST_POSITIONS = 8  # of a life, on the screen; the JSON has all
_DIRECTORY = click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("spool", epilog="Example: headrace spool inspect /var/lib/headrace")
def command() -> None:
    """Look into spools: of one input, or of all below a folder.

    A producer may run meanwhile. But for files that prune-quarantine names, nothing is changed.
    """


@command.command("inspect", epilog="Example: headrace spool inspect /var/lib/headrace --json")
@_DIRECTORY
@_JSON
@click.pass_obj
def inspect_command(place: Place, directory: Path, *, as_json: bool) -> int:
    """Show what each spool holds: its sources, what waits, how far inputs are read, what is in quarantine."""
    reports = [inspect(spool) for spool in spools(directory)]
    if as_json:
        _print_json(reports)
        return GOOD
    for report in reports:
        _draw(report, place.clock.now())
    return GOOD


@command.command("verify", epilog="Example: headrace spool verify /var/lib/headrace/web")
@_DIRECTORY
@_JSON
def verify_command(directory: Path, *, as_json: bool) -> int:
    """Read every byte, and list what is damaged. Exit code 1: something is.

    Damage bounds itself: its numbers are sent as rejects, the rest is sent as usual.
    """
    chosen = spools(directory)
    with _bar(sum(map(size, chosen))) as advance:
        found = [verify(spool, advance) for spool in chosen]
    if as_json:
        _print_json(found)
    else:
        for verification in found:
            _list(verification)
    return GOOD if all(verification.is_sound for verification in found) else FAILED


@command.command("export", epilog="Example: headrace spool export /var/lib/headrace/web > rescued.ndjson")
@_DIRECTORY
@click.option("--life", metavar="ULID", help="Of this life only.")
@click.option("--from", "first", type=click.IntRange(min=1), default=1, metavar="N", help="From this number.")
@click.option("--to", "last", type=click.IntRange(min=1), metavar="N", help="To this number.")
@click.option(
    "--waiting/--all", default=True, help="What Kinesis has not acknowledged (the default), or all on disk."
)
@click.option("--format", "form", type=click.Choice(sorted(FORMS)), default="ndjson", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Else standard output.")
def export_command(directory: Path, form: str, output: Path | None, **wanted: Any) -> int:  # noqa: ANN401
    """Write the records as they would be sent: CloudEvents with their own source and sequence, one a line.

    Post them to an HTTP input as they are and nothing counts twice. Never read them as a file: that gives
    them new numbers. `raw` writes each record's exact bytes behind a line with source, number, state and
    length, what damage left of a record too. Exit code 1: some are damaged, and were not all written.
    """
    chosen = spools(directory)
    try:
        with output.open("xb") if output else nullcontext(sys.stdout.buffer) as out:
            written, damaged = _export(chosen, Wanted(**wanted), form, out)
    except BrokenPipeError:  # the reader (`| head`) has enough; what is buffered must not be tried at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except FileExistsError as error:
        raise SettingsError(f"{output} exists: name a new file") from error
    tell(f"{written:,} records written" + (f", {damaged:,} are damaged" if damaged else ""))
    return FAILED if damaged else GOOD


class Age(click.ParamType[timedelta]):
    """A time as a person writes it: `30d` or `12h`."""

    name = "AGE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The time."""
        found = re.fullmatch(r"(\d{1,5})([dh])", str(value))
        if found is None:
            self.fail(f"{value!r} is no age like 30d or 12h", param, ctx)
        return timedelta(days=int(found[1])) if found[2] == "d" else timedelta(hours=int(found[1]))


@command.command("prune-quarantine", epilog="Example: headrace spool prune-quarantine DIR --older-than 90d")
@_DIRECTORY
@click.option("--older-than", "age", type=Age(), required=True, help="Such as 90d or 12h.")
@click.option("--dry-run", is_flag=True, help="Only name the files.")
@click.pass_obj
def prune_command(place: Place, directory: Path, age: timedelta, *, dry_run: bool) -> int:
    """Delete old files in quarantine, but for those whose reject still waits in the spool.

    They are the only whole copies of lines that were too long to travel: rejects in the warehouse name them.
    """
    for spool in spools(directory):
        for path in prunable(spool, before=place.clock.now() - age):
            if not dry_run:
                path.unlink(missing_ok=True)
            sys.stdout.write(f"{path}\n")
    return GOOD


def _export(chosen: Sequence[Path], wanted: Wanted, form: str, out: BinaryIO) -> tuple[int, int]:
    """How many were written whole, and how many are damaged."""
    written = damaged = 0
    for spool in chosen:
        for exported in export(spool, wanted):
            if FORMS[form](out, exported):
                written += 1
            else:
                damaged += 1
                tell(f"damaged: {exported.source} {exported.number}")
    out.flush()
    return written, damaged


def _draw(report: SpoolReport, now: datetime) -> None:
    out = console()
    drawn = grid(report.directory)
    drawn.add_column("source", overflow="fold")
    drawn.add_column("state")
    for name in ("numbers", "acknowledged", "waiting", "bytes", "segments", "oldest waiting"):
        drawn.add_column(name, justify="right")
    for life in report.lives:
        drawn.add_row(*_row(life, now))
    out.print(drawn)
    held = f"process {report.held_by} runs on it" if report.held_by else "no producer runs on it"
    kept = f"{report.quarantine_files:,} files with {report.quarantine_bytes:,} bytes in quarantine"
    out.print(f"  {held}; {report.waiting:,} records wait; {kept}", soft_wrap=True)
    for life in report.lives:
        for remark in _remarks(life):
            out.print(Text(f"  {life.ulid}: {remark}"), soft_wrap=True)


def _row(life: LifeReport, now: datetime) -> list[str]:
    oldest = f"{max((now - life.oldest_waiting).total_seconds(), 0):,.0f} s" if life.oldest_waiting else ""
    numbers = f"{life.first:,} - {life.last:,}" if life.first <= life.last else "none"
    counts = (life.acknowledged, life.waiting, life.bytes, life.segments)
    return [life.source, life.state, numbers, *(f"{count:,}" for count in counts), oldest]


def _remarks(life: LifeReport) -> list[str]:
    remarks = []
    if life.closed:
        remarks.append(f"closed: {life.closed}")
    if life.damage:
        remarks.append(f"damaged: {life.damage}")
    if not life.here:
        remarks.append("was not born on this machine, in this folder: it is sent, and a new source begins")
    places = list(life.positions.items())
    remarks += [f"{name} is read to {place}" for name, place in places[:_MOST_POSITIONS]]
    if len(places) > _MOST_POSITIONS:
        remarks.append(f"and {len(places) - _MOST_POSITIONS:,} more inputs (--json lists all)")
    return remarks


def _list(verification: Verification) -> None:
    out = console()
    verdict = "sound" if verification.is_sound else "damaged"
    walked = f"{verification.entries:,} entries, {verification.bytes:,} bytes"
    out.print(f"{verification.directory}: {verdict}; {walked}", soft_wrap=True)
    for finding in verification.findings:
        out.print(Text(f"  {_told(finding)}"), soft_wrap=True)


def _told(finding: Finding) -> str:
    place = finding.file + (f", byte {finding.offset:,}" if finding.offset is not None else "")
    if finding.numbers is None:
        return f"{place}: {finding.what}"
    first, last = finding.numbers
    numbers = f"number {first:,}" if first == last else f"numbers {first:,} - {last:,}"
    return f"{place}: {numbers}: {finding.what}"


def _print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr, where that is a terminal."""
    columns = (TextColumn("verifying"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    out = Console(stderr=True)
    with Progress(*columns, console=out, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("verify", total=total)
        yield lambda done: bar.advance(task, done)
