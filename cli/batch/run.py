"""`headrace batch run`: every step of the pipeline in one go, and what it made, counted from outside."""

import io
import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec
from rich.text import Text

from batch_jobs.settings import BatchSettings
from cli.batch.group import command as group
from cli.batch.spark import share, spark
from cli.consoles import console, grid
from cli.exit_codes import FAILED, GOOD
from cli.place import Place, tell
from headrace.errors import SettingsError
from headrace.ops.settings import load

if TYPE_CHECKING:
    from cli.batch.balance import Balance

_DIRTY = 0.001
_SMALL_BOOK = 20_000  # loans; below it the tree's leaves may be smaller too

EXAMPLE = """
\b
Example: headrace batch run --loans 100000
         headrace batch run ~/Downloads/full_set_standard_historical_data.zip

\b
Afterwards: headrace query "select vintage, count(*) from loan_originations group by 1"
            headrace batch hql --list
"""


class Step(NamedTuple):
    """One command of the group, as this run calls it."""

    name: str
    options: dict[str, Any]


class Took(NamedTuple):
    """A step and its seconds."""

    step: str
    seconds: float


@click.command(epilog=EXAMPLE)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[PATH...]")
@click.option(
    "--loans", type=click.IntRange(min=500), default=100_000, show_default=True, help="Of the synthetic book."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the synthetic book.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON at the end, and nothing else on stdout.")
@click.pass_context
def command(
    context: click.Context, /, *, paths: tuple[Path, ...], loans: int, seed: int, as_json: bool
) -> int:
    """Run the whole pipeline: on loan files that you name, else on a synthetic book.

    Ingest, originations, performance, both loads, the tree and its scores. What a former run did is not done
    again. At the end every file's lines are compared with the rows in each table and the rejects: exit code 1
    when they differ, or a step failed.
    """
    place: Place = context.obj
    book = Path(load(BatchSettings, place.environ).state).resolve() / "synthetic"
    _refuse_a_mixture(place, book, synthetic=not paths)
    steps = _steps(paths or (book,), small=not paths and loans < _SMALL_BOOK)
    if not paths:
        made_up = {"loans": loans, "seed": seed, "dirty": _DIRTY, "folder": book}
        steps.insert(0, Step("synthesize", made_up))
    with spark(place, "run") as session, share(context, session):
        taken = [_run(context, step, place.clock.monotonic, quiet=as_json) for step in steps]
        from cli.batch.balance import balance  # noqa: PLC0415  the help should not wait for it

        found = balance(place, session)
    if as_json:
        told = {
            "balanced": found.balanced,
            "steps": [took._asdict() for took in taken],
            **msgspec.to_builtins(found),
        }
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
    else:
        _show(found, taken)
    return GOOD if found.balanced else FAILED


def _steps(paths: tuple[Path, ...], *, small: bool) -> list[Step]:
    return [
        Step("ingest", {"paths": paths}),
        Step("originations", {}),
        Step("performance", {}),
        Step("load-warehouse", {}),
        Step("load-mysql", {}),
        Step("train", {"least_loans": 10} if small else {}),
        Step("score", {}),
    ]


def _refuse_a_mixture(place: Place, book: Path, *, synthetic: bool) -> None:
    """Raises SettingsError where made-up loans would come to lie among real ones."""
    from batch_jobs.manifest import inputs  # noqa: PLC0415  the help should not wait for it
    from batch_jobs.storage import Storage  # noqa: PLC0415  the same

    storage = Storage(load(BatchSettings, place.environ).root_folder, place.environ)
    for entry in (*inputs(storage, "origination"), *inputs(storage, "performance")):
        if (Path(entry.path).parent == book) != synthetic:
            here, there = (
                ("files of yours", "a synthetic book") if synthetic else ("a synthetic book", "them")
            )
            raise SettingsError(
                f"{storage.root} holds {here}: give {there} a place of its own, such as "
                "HEADRACE_STATE=.headrace-other"
            )


def _run(context: click.Context, step: Step, seconds: Callable[[], float], *, quiet: bool) -> Took:
    """Raises whatever stops the step."""
    chosen = group.get_command(context, step.name)
    if chosen is None:
        raise LookupError(step.name)
    tell(f"-- headrace batch {step.name}")
    started = seconds()
    with redirect_stdout(io.StringIO()) if quiet else nullcontext():
        context.invoke(chosen, **step.options)
    return Took(step.name, round(seconds() - started, 1))


def _show(found: "Balance", taken: list[Took]) -> None:
    out = console()
    drawn = grid("seconds")
    for name in ("step", "seconds"):
        drawn.add_column(name, justify="right" if name == "seconds" else "left")
    for took in taken:
        drawn.add_row(took.step, f"{took.seconds:,.1f}")
    out.print(drawn)
    drawn = grid("every line is a row or a reject")
    for name in ("table", "vintages", "lines", "rows", "rejected", "in the warehouse", "in MySQL"):
        drawn.add_column(name, justify="left" if name == "table" else "right")
    for line in found.tables:
        counts = (line.vintages, line.lines, line.rows, line.rejected, line.in_warehouse, line.in_mysql)
        drawn.add_row(line.table, *(f"{count:,}" for count in counts))
    out.print(drawn)
    for table in found.tables:
        for code, count in sorted(table.codes.items()):
            out.print(f"  {table.table}: {count:,} {code}")
    if found.auc is not None:
        out.print(f"the tree's AUC on vintages that it never saw: {found.auc:.3f} ({found.model})")
    verdict = "balanced: every line is accounted for" if found.balanced else "NOT balanced: see the table"
    out.print(Text(verdict, style="bold green" if found.balanced else "bold red"))
