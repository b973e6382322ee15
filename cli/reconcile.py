"""`headrace reconcile`: the proof that every record is accounted for, once."""

import re
import sys

import click
import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.archive_account import ReadingBar, archive_faults, archive_table, mark, spelled
from cli.consoles import console, grid
from cli.exit_codes import FAILED, GOOD
from cli.place import Place
from headrace.warehouse.reconcile import ArchiveCheck, reconcile, write_off
from headrace.warehouse.report import ArchiveTotals, Report, SourceReport, fold_settled

_COUNTS = (
    "sent",
    "counted",
    "rejected",
    "replayed",
    "missing",
    "in_flight",
    "duplicates_dropped",
    "written_off",
)


class NumberRange(click.ParamType[tuple[int, int]]):
    """A range of sequence numbers as a person writes it: `7` or `7-9`."""

    name = "A-B"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The first and the last number."""
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", str(value))
        if found is None:
            self.fail(f"{value!r} is no range of numbers like 7-9", param, ctx)
        return int(found[1]), int(found[2] or found[1])


@click.command(epilog="Example: headrace reconcile --wait 60")
@click.option(
    "--wait", type=click.FloatRange(min=0), default=0, metavar="SECONDS", help="First let records arrive."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--all", "every", is_flag=True, help="List balanced, closed sources one by one.")
@click.option(
    "--write-off",
    "lost",
    type=(str, NumberRange()),
    metavar="SOURCE A-B",
    help="Book these numbers of a source as lost, for ever visible; needs --reason.",
)
@click.option(
    "--archive", "archived", is_flag=True, help="Hold the ledger against the archive in S3 as well."
)
@click.option("--reason", help="Why the numbers are written off.")
@click.pass_obj
def command(
    place: Place,
    wait: float,
    lost: tuple[str, tuple[int, int]] | None,
    reason: str | None,
    *,
    as_json: bool,
    every: bool,
    archived: bool,
) -> int:
    """Say per source and per output whether every record is accounted for, exactly once.

    "rejected" are those that still are; with "replayed", which were mended and counted since, all that ever
    were. Exit code 0: every record is accounted for, with --archive in S3 too; 1: something is missing, in
    flight, counted twice, or a producer has fallen silent.

    Over the Data API (redshift-data://) there is neither --write-off nor --archive: both write.
    """
    if (lost is None) != (reason is None):
        raise click.UsageError("--write-off and --reason belong together")
    url = place.warehouse_url()
    if lost is not None and reason is not None:
        source, numbers = lost
        write_off(url, place.clock, source, numbers, reason=reason)
    with ReadingBar() as bar:
        check = _check(place, bar) if archived else None
        report = reconcile(url, place.clock, wait=wait, check=check, environ=place.environ)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        console().print(draw(report, every=every))
    return GOOD if report.balanced else FAILED


def _check(place: Place, bar: ReadingBar) -> ArchiveCheck:
    from headrace.lake.events import DUE_SECONDS, EventsArchive  # noqa: PLC0415  only who asks pays for it

    seconds = place.settings.archive_seconds
    return ArchiveCheck(EventsArchive(place.archive()), DUE_SECONDS if seconds is None else seconds, bar.show)


def draw(report: Report, *, every: bool = False) -> RenderableType:
    """The report as tables with the verdict under them."""
    sources = report.sources if every else fold_settled(report.sources)
    tables = [_sources(sources), _outputs(report)]
    if isinstance(report.archive, ArchiveTotals):
        tables.insert(1, archive_table(report.archive, sources))
    return Group(*tables, _verdict(report))


def _sources(sources: list[SourceReport]) -> Table:
    drawn = grid("sources")
    drawn.add_column("source", overflow="fold")
    for name in _COUNTS:
        drawn.add_column(name.replace("_", " "), justify="right")
    drawn.add_column("")
    for source in sources:
        counts = [f"{getattr(source, name):,}" for name in _COUNTS]
        drawn.add_row(Text(source.source), *counts, mark(good=source.balanced))
    return drawn


def _outputs(report: Report) -> Table:
    drawn = grid("outputs")
    drawn.add_column("output")
    drawn.add_column("records", justify="right")
    drawn.add_column("expected", justify="right")
    drawn.add_column("")
    for output in (*report.outputs, report.ledger):
        good = mark(good=output.balanced)
        drawn.add_row(output.name, f"{output.records:,}", f"{output.expected:,}", good)
    return drawn


def _verdict(report: Report) -> Text:
    if report.balanced:
        return Text("balanced: every record is accounted for, exactly once", style="green")
    lines = ["not balanced:"]
    for source in report.sources:
        if source.missing:
            lines.append(f"  {source.source} lacks {source.missing:,}: {spelled(source.missing_ranges)}")
        if source.in_flight:
            lines.append(f"  {source.source} has {source.in_flight:,} in flight (--wait lets them arrive)")
        lines += archive_faults(source)
        if source.silent:
            lines.append(f"  {source.source} has fallen silent without closing")
    for output in (*report.outputs, report.ledger):
        if not output.balanced:
            more = "more" if output.records > output.expected else "fewer"
            lines.append(
                f"  {output.name} holds {abs(output.records - output.expected):,} {more} than expected"
            )
    return Text("\n".join(lines), style="red")
