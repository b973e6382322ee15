"""What the commands that convert loan files share: which inputs, how far it is, what became of them."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from batch_jobs.settings import BatchSettings
from cli.batch.spark import spark
from cli.consoles import console, grid
from cli.exit_codes import GOOD
from cli.place import Place, tell
from headrace.ops.clock import Clock
from headrace.ops.settings import load

if TYPE_CHECKING:
    from batch_jobs.conversion.run import Made, Report
    from batch_jobs.manifest import Kind

_PLAIN_SECONDS = 5.0  # between two lines where there is no terminal


class Converted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one vintage, for a person or a program."""

    vintage: str
    input: str
    rows_in: int
    rows: int
    rejected: dict[str, int]
    files: int
    bytes: int
    seconds: float
    is_new: bool


def convert(place: Place, kind: "Kind", vintages: Sequence[str], *, as_json: bool) -> int:
    """Convert the newest input of each vintage and show what became of it."""
    from batch_jobs.conversion.run import Conversion, newest  # noqa: PLC0415  the help should not wait
    from batch_jobs.storage import Storage  # noqa: PLC0415  the same

    storage = Storage(load(BatchSettings, place.environ).root_folder, place.environ)
    entries = newest(storage, kind, vintages)
    converted: list[Converted] = []
    try:
        with spark(place, f"{kind}s") as session, _progress(place.clock, len(entries)) as shown:
            conversion = Conversion(session, storage)
            for made, seconds in conversion.run_all(entries, shown.report_of, place.clock.monotonic):
                converted.append(_converted(made, seconds))
                shown.advance()
                if not sys.stderr.isatty():
                    tell(_line(converted[-1]))
    finally:  # what was converted before an error is told before the error
        _show(converted, kind, as_json=as_json)
    return GOOD


def _converted(made: "Made", seconds: float) -> Converted:
    output = made.output
    return Converted(
        vintage=output.vintage,
        input=output.input_name,
        rows_in=output.rows_in,
        rows=output.rows,
        rejected=output.rejected,
        files=len(output.files),
        bytes=sum(file.bytes for file in output.files),
        seconds=round(seconds, 2),
        is_new=made.is_new,
    )


def _line(it: Converted) -> str:
    if not it.is_new:
        return f"{it.vintage}: this file is converted already"
    return f"{it.vintage}: {it.rows:,} of {it.rows_in:,} rows in {it.seconds:.1f} s, {_codes(it)}"


def _codes(it: Converted) -> str:
    return ", ".join(f"{count:,} {code}" for code, count in it.rejected.items()) or "none rejected"


def _show(converted: Sequence[Converted], kind: "Kind", *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(converted)).decode() + "\n")
        return
    if not converted:
        return
    drawn = grid(f"{kind}s")
    for name in ("vintage", "rows in", "rows", "rejected", "files", "MB", "seconds"):
        drawn.add_column(name, justify="left" if name in {"vintage", "rejected"} else "right")
    for it in converted:
        spent = f"{it.seconds:.1f}" if it.is_new else "done before"
        counts = (f"{it.rows_in:,}", f"{it.rows:,}", _codes(it))
        drawn.add_row(it.vintage, *counts, f"{it.files:,}", f"{it.bytes / 1e6:,.1f}", spent)
    console().print(drawn)


class _Shown(NamedTuple):
    """Where it is shown how far the files are."""

    report_of: Callable[[str], "Report"]
    advance: Callable[[], object]


@contextmanager
def _progress(clock: Clock, files: int) -> Iterator[_Shown]:
    """How far it is, on stderr: a bar of files, or a line every few seconds where there is no terminal."""
    if not sys.stderr.isatty():
        yield _Shown(lambda vintage: _Lines(clock, vintage), lambda: None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=files)

        def of_vintage(vintage: str) -> "Report":
            return lambda what, done, of: bar.update(task, description=f"{vintage}: {what}, {done} of {of}")

        yield _Shown(of_vintage, lambda: bar.advance(task))


class _Lines:
    """Tells how far a vintage is, in lines."""

    def __init__(self, clock: Clock, vintage: str) -> None:
        self._clock, self._vintage, self._said = clock, vintage, clock.monotonic()

    def __call__(self, what: str, done: int, of: int) -> None:
        """Say it, unless something was said just now."""
        if self._clock.monotonic() - self._said >= _PLAIN_SECONDS:
            self._said = self._clock.monotonic()
            tell(f"{self._vintage}: {what}, {done} of {of}")
