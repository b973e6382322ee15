"""`headrace replay-errors`: records that were rejected, or that delivery failed on, go back on the stream."""

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli.consoles import console, grid
from cli.exit_codes import FAILED, GOOD, INTERRUPTED
from cli.moments import Moment, instant
from cli.place import Place, tell
from cli.printable import printable
from cli.streams import Reached, heeding_signals, reached
from headrace.errors import HeadraceError, SettingsError
from headrace.warehouse.replays import Replays, Wanted
from stream_jobs.replay import mending
from stream_jobs.replay.candidates import Origin
from stream_jobs.replay.summary import CodeTally, Summary
from stream_jobs.replay.way_back import WayBack

ALL = "all"

EXAMPLE = """
\b
Example: headrace replay-errors --dry-run
         headrace replay-errors --code wrong_type --mend mend.py --dry-run
         headrace replay-errors --from failed --since 6h

\b
A file for --mend holds one function. Its record has raw (bytes), code, errors
(each with path and message), source, sequence, record_type, stage, first_seen.
It gives the whole event as bytes, or {"type", "time", "data"}, or None to leave
the record where it is. Source and number are ours, whatever it gives.

\b
  import json
  def mend(record):
      event = json.loads(record.raw)
      event["data"]["status"] = int(event["data"]["status"])
      return json.dumps(event).encode()
"""


@click.command(epilog=EXAMPLE)
@click.option(
    "--from",
    "places",
    multiple=True,
    type=click.Choice([*(origin.value for origin in Origin), ALL]),
    help="Where to look: the warehouse's rejects, the archive's errors, what delivery failed on.  "
    "[default: all within reach]",
)
@click.option("--code", "codes", multiple=True, help="Only of this reject code; repeatable.")
@click.option("--type", "types", multiple=True, help="Only of this record type; repeatable.")
@click.option(
    "--stage", "stages", multiple=True, help="Only rejected there; `delivery` for what it failed on."
)
@click.option("--source", "sources", multiple=True, help="Only of this source; repeatable.")
@click.option("--since", type=Moment(), help="Only met since then: 2h, or 2026-11-21T12:00:00Z.")
@click.option("--until", type=Moment(), help="Only met before then.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many, the oldest first.")
@click.option("--mend", "file", type=click.Path(path_type=Path), help="A Python file with mend(record).")
@click.option("--again", is_flag=True, help="Also those that were put back and have not been met since.")
@click.option("--dry-run", is_flag=True, help="Say what would go back now, and put nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    place: Place,
    /,
    *,
    places: tuple[str, ...],
    since: datetime | timedelta | None,
    until: datetime | timedelta | None,
    limit: int | None,
    file: Path | None,
    dry_run: bool,
    as_json: bool,
    **filters: Any,  # noqa: ANN401  those of Wanted
) -> int:
    """Put records that did not make it back on the stream, under their own source and number.

    Each is judged anew; with --mend, after your function has mended it. Only good ones go back, and what is
    counted already is dropped as a copy: run it twice, or stop it with Ctrl-C, and no number is wrong.
    Exit code 1: a mend failed, a record is out of reach, or a line cannot be read.
    """
    now = place.clock.now()
    wanted = Wanted(since=instant(since, now), until=instant(until, now), **filters)
    mend = None if file is None else mending.load(file)
    with closing(Replays(place.warehouse_url(), place.clock)) as replays, reached(place) as streams:
        origins = _origins(places, streams)
        total = replays.count(wanted) if origins == [Origin.WAREHOUSE] else None
        with heeding_signals() as stop, _bar(total, limit) as advance:
            way_back = WayBack(
                streams.settings,
                replays,
                streams.kinesis,
                streams.lake,
                place.clock,
                stop=stop,
                mend=mend,
                dry_run=dry_run,
            )
            summary = _run(partial(way_back.run, origins, wanted, limit=limit, advance=advance), way_back)
    _show(summary, as_json=as_json)
    if summary.interrupted:
        return INTERRUPTED
    return FAILED if summary.trouble_count else GOOD


def _run(run: Callable[[], Summary], way_back: WayBack) -> Summary:
    """Run it; what it did until an error is told before the error."""
    try:
        return run()
    except HeadraceError:
        tell(f"{way_back.summary.put:,} records were put back before this:")
        raise


def _origins(places: Collection[str], streams: Reached) -> list[Origin]:
    """Where to look. Raises SettingsError when the archive is asked for and none is named."""
    if streams.lake is None and {Origin.ERRORS, Origin.FAILED} & set(places):
        raise SettingsError("HEADRACE_ARCHIVE_BUCKET names no archive, so only the warehouse can be asked")
    if streams.lake is None:
        return [Origin.WAREHOUSE]
    return [origin for origin in Origin if not places or ALL in places or origin in places]


def _show(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        told = msgspec.to_builtins(summary) | {"codes": list(summary.codes.values())}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
        return
    out = console()
    if summary.codes:
        drawn = grid("what would go back" if summary.dry_run else "what went back")
        for name in ("code", "candidates", "good now", "still bad", "left", "mend failed", "out of reach"):
            drawn.add_column(name, justify="left" if name in {"code", "still bad"} else "right")
        for code in sorted(summary.codes):
            drawn.add_row(*_row(summary.codes[code]))
        out.print(drawn)
    for trouble in summary.troubles:
        out.print(Text(f"  {printable(trouble)}", style="red"), soft_wrap=True)
    if summary.trouble_count > len(summary.troubles):
        out.print(f"  and {summary.trouble_count - len(summary.troubles):,} more")
    out.print(_verdict(summary), soft_wrap=True)


def _row(tally: CodeTally) -> list[Text]:
    now = ", ".join(f"{code} {count:,}" for code, count in sorted(tally.still_bad.items()))
    counts = (tally.left, tally.mend_failed, tally.unreachable)
    cells = [
        printable(tally.code),
        f"{tally.candidates:,}",
        f"{tally.passed:,}",
        now,
        *map("{:,}".format, counts),
    ]
    return [Text(cell) for cell in cells]


def _verdict(summary: Summary) -> str:
    if not summary.codes:
        return "nothing to put back"
    if summary.dry_run:
        good = sum(tally.passed for tally in summary.codes.values())
        return f"{good:,} would go back; nothing was put"
    stopped = "; stopped: the same command goes on" if summary.interrupted else ""
    return f"{summary.put:,} put back (`headrace reconcile --wait 60` shows them counted){stopped}"


@contextmanager
def _bar(known: int | None, limit: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr, where that is a terminal; without an end where the archive is read too."""
    total = known if limit is None or known is None else min(known, limit)
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    out = Console(stderr=True)
    with Progress(*columns, console=out, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("replay", total=total)
        yield lambda done: bar.advance(task, done)
