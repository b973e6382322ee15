"""`headrace batch score`: a published tree's scores of originations, as Parquet."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from batch_jobs.settings import BatchSettings
from cli.batch.spark import spark
from cli.consoles import console, grid
from cli.exit_codes import GOOD
from cli.place import Place
from headrace.errors import InputRefused, ModelRefused
from headrace.ops.settings import load

if TYPE_CHECKING:
    from batch_jobs.manifest import Output
    from batch_jobs.model.scoring import Scored
    from batch_jobs.model.store import Model
    from batch_jobs.storage import Storage

EXAMPLE = """
\b
Example: headrace batch score
         headrace batch score --vintage 2008Q1 --vintage 2008Q2
         headrace batch score --model 0123456789abcdef --json
"""


@click.command(epilog=EXAMPLE)
@click.option("--vintage", "vintages", multiple=True, help="Only of this vintage; repeatable.")
@click.option("--model", "version", metavar="VERSION", help="Else the one that was trained last.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(place: Place, /, *, vintages: tuple[str, ...], version: str | None, as_json: bool) -> int:
    """Score every origination with a trained tree: a probability of early default, made once per file.

    The scores are Parquet files below the root, in `scores/early_default/`: loan_identifier, vintage, score,
    model_version. A vintage that the model has scored already is not scored again.
    """
    from batch_jobs.hive import Catalog  # noqa: PLC0415  the help should not wait for it
    from batch_jobs.model.measures import CAVEAT  # noqa: PLC0415  the same
    from batch_jobs.model.scoring import Scorer  # noqa: PLC0415  the same
    from batch_jobs.storage import Storage  # noqa: PLC0415  the same
    from headrace.schemas.loan_tables import LOAN_ORIGINATIONS  # noqa: PLC0415  the same

    storage = Storage(load(BatchSettings, place.environ).root_folder, place.environ)
    model = _model(storage, version)
    with spark(place, "score") as session:
        chosen = _chosen(Catalog(session, storage).outputs(LOAN_ORIGINATIONS), vintages)
        scorer, scored = Scorer.of(session, storage, model, place.clock), []
        with _bar(len(chosen)) as advance:
            for output in chosen:
                scored.append(scorer.score(output))
                advance()
    if as_json:
        told = {"model": model.version, "caveat": CAVEAT, "vintages": scored}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
        return GOOD
    _show(model, scored)
    console().print(CAVEAT, soft_wrap=True)
    return GOOD


def _model(storage: "Storage", version: str | None) -> "Model":
    """Raises ModelRefused when there is none."""
    from batch_jobs.model.store import NAME, find  # noqa: PLC0415  the help should not wait for it

    if (model := find(storage, version)) is not None:
        return model
    where = storage.place(f"models/{NAME}")
    named = f"{where} holds no version {version}" if version else f"{where} holds no model"
    raise ModelRefused(f"{named}: `headrace batch train` makes one")


def _chosen(outputs: "Sequence[Output]", vintages: Sequence[str]) -> "list[Output]":
    """Raises InputRefused when one that is asked for is not there."""
    filled = [output for output in outputs if output.rows]
    if missing := sorted(set(vintages) - {output.vintage for output in filled}):
        raise InputRefused(
            f"no originations of {', '.join(missing)}: `headrace batch originations` makes them"
        )
    if not filled:
        raise InputRefused("no originations to score: `headrace batch originations` makes them")
    return [output for output in filled if not vintages or output.vintage in vintages]


def _show(model: "Model", scored: "Sequence[Scored]") -> None:
    drawn = grid(f"scores of {model.name} {model.version}")
    for name in ("vintage", "loans", "mean score", "highest", ""):
        drawn.add_column(name, justify="left" if name in {"vintage", ""} else "right")
    for one in scored:
        done = "scored now" if one.made else "was scored before"
        drawn.add_row(one.vintage, f"{one.loans:,}", f"{one.mean:.2%}", f"{one.highest:.2%}", done)
    console().print(drawn)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr, where that is a terminal."""
    columns = (TextColumn("scoring vintages"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    out = Console(stderr=True)
    with Progress(*columns, console=out, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("score", total=total)
        yield lambda: bar.advance(task)
