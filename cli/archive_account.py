"""What `headrace reconcile --archive` draws: how far it has read, and each source's account."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text

from cli.consoles import grid
from headrace.warehouse.archive_report import ArchivedSource
from headrace.warehouse.report import ArchiveTotals, SourceReport

_COUNTS = ("counted", "archived", "archive_missing", "archive_in_flight", "archive_extra")


class ReadingBar(AbstractContextManager["ReadingBar"]):
    """A bar on stderr while objects are read, where a person looks on; it leaves nothing behind."""

    def __init__(self) -> None:
        self._progress = Progress(console=Console(stderr=True), transient=True)
        self._task: TaskID | None = None

    def show(self, done: int, of: int) -> None:
        """So many of so many objects are read."""
        if not sys.stderr.isatty():
            return
        if self._task is None:
            self._task = self._progress.add_task("reading the archive")
        self._progress.update(self._task, completed=done, total=of)
        if done < of:
            self._progress.start()
        else:
            self._progress.stop()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def archive_table(totals: ArchiveTotals, sources: Iterable[SourceReport]) -> Table:
    """One row per source: what was counted, and what of it the archive holds."""
    title = f"archive: {totals.objects:,} objects, {totals.records:,} records, {totals.duplicates:,} copies"
    drawn = grid(title)
    drawn.add_column("source", overflow="fold")
    for name in _COUNTS:
        drawn.add_column(name.removeprefix("archive_").replace("_", " "), justify="right")
    drawn.add_column("")
    for source in sources:
        counts = [f"{getattr(source, name):,}" for name in _COUNTS]
        drawn.add_row(Text(source.source), *counts, mark(good=source.balanced))
    return drawn


def archive_faults(source: SourceReport) -> list[str]:
    """What is wrong between the ledger and the archive, a line for each kind."""
    if not isinstance(source, ArchivedSource):
        return []
    name, lines = source.source, []
    if source.archive_missing:
        ranges = spelled(source.archive_missing_ranges)
        lines.append(f"  the archive lacks {source.archive_missing:,} of {name}: {ranges}")
    if source.archive_in_flight:
        lines.append(
            f"  {name} has {source.archive_in_flight:,} in flight to the archive (--wait lets them arrive)"
        )
    if source.archive_extra:
        lines.append(f"  the archive holds {source.archive_extra:,} of {name} that the ledger does not know")
    return lines


def spelled(ranges: Sequence[tuple[int, int]]) -> str:
    """Ranges as a person writes them."""
    return ", ".join(f"{first}-{last}" if first < last else str(first) for first, last in ranges)


def mark(*, good: bool) -> Text:
    """The verdict on one line."""
    return Text("ok", style="green") if good else Text("not ok", style="red")
