"""`headrace batch train`: a decision tree for early default, which must pass a gate to be published."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from batch_jobs.settings import BatchSettings
from cli.batch.spark import spark
from cli.consoles import console, grid
from cli.exit_codes import GOOD
from cli.place import Place, tell
from cli.printable import printable
from headrace.ops.settings import load

if TYPE_CHECKING:
    from batch_jobs.model.store import Model

_MOST_IMPORTANT = 10  # on the screen; the JSON has all

EXAMPLE = """
\b
Example: headrace batch train
         headrace batch train --test-from 2007Q1 --least-loans 20

\b
A bad loan is, within 24 months from its first payment, 90 days late, real estate
owned, or ended in a credit event. Every setting can also be given as a variable
HEADRACE_MODEL_...; `headrace reference` lists them.
"""


@click.command(epilog=EXAMPLE)
@click.option("--test-from", metavar="VINTAGE", help="The first vintage that is only tested on.")
@click.option(
    "--window-months", type=int, metavar="N", help="Months in which a default counts.  [default: 24]"
)
@click.option(
    "--max-depth", type=int, metavar="N", help="How deep the tree may grow, 6 at most.  [default: 5]"
)
@click.option("--least-loans", type=int, metavar="N", help="Loans in the smallest leaf.  [default: 50]")
@click.option("--least-auc", type=float, metavar="X", help="The gate.  [default: 0.7]")
@click.option("--seed", type=int, metavar="N")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: all that is known of the model.")
@click.pass_obj
def command(place: Place, /, *, as_json: bool, **given: Any) -> int:  # noqa: ANN401  those of ModelSettings
    """Train the tree on older vintages and test it on newer ones.

    It is published under a version that the tables' files and the settings make, so the same again trains
    nothing. A tree whose AUC on the newer vintages is below the gate is refused (exit code 1), and the model
    that was current stays so.
    """
    from batch_jobs.hive import Catalog  # noqa: PLC0415  the help should not wait for it
    from batch_jobs.model.settings import ModelSettings  # noqa: PLC0415  the same
    from batch_jobs.model.training import train  # noqa: PLC0415  the same
    from batch_jobs.storage import Storage  # noqa: PLC0415  the same
    from headrace.schemas.loan_tables import LOAN_ORIGINATIONS, LOAN_PERFORMANCE  # noqa: PLC0415  the same

    settings = load(ModelSettings, place.environ, overrides=given)
    storage = Storage(load(BatchSettings, place.environ).root_folder, place.environ)
    with spark(place, "train") as session, _steps() as say:
        catalog = Catalog(session, storage)
        model, made = train(
            session,
            storage,
            settings,
            originations=catalog.outputs(LOAN_ORIGINATIONS),
            performance=catalog.outputs(LOAN_PERFORMANCE),
            clock=place.clock,
            tell=say,
        )
    if as_json:
        told = {"made": made, **msgspec.to_builtins(model)}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
    else:
        _show(model, place=storage.place(model.folder), made=made)
    return GOOD


@contextmanager
def _steps() -> Iterator[Callable[[str], None]]:
    """Says on stderr what is being done: in one line on a terminal, else line by line."""
    if not sys.stderr.isatty():
        yield tell
        return
    with Console(stderr=True).status("looking") as status:
        yield status.update


def _show(model: "Model", *, place: str, made: bool) -> None:
    from batch_jobs.model.measures import CAVEAT  # noqa: PLC0415  the help should not wait for it
    from batch_jobs.model.tree import words  # noqa: PLC0415  the same

    out = console()
    out.print(f"{model.name} {model.version}: {'trained now' if made else 'was trained before'}")
    for vintage, why in sorted(model.passed_over.items()):
        out.print(f"  vintage {vintage} was passed over: {why}", soft_wrap=True)
    for name, why in sorted(model.left_out.items()):
        out.print(f"  {name} is no feature: {why}", soft_wrap=True)
    out.print(_measures(model))
    out.print(_calibration(model))
    out.print(_importances(model))
    for line in words(model.tree).splitlines():
        out.print(Text(printable(line)), soft_wrap=True)
    out.print(f"{place}: model.json, tree.txt, tree.svg, calibration.svg", soft_wrap=True)
    out.print(CAVEAT, soft_wrap=True)


def _measures(model: "Model") -> Table:
    drawn = grid("how well it tells bad loans from good ones")
    for name in (
        "",
        "vintages",
        "loans",
        "bad",
        "base rate",
        "AUC",
        "area under PR",
        "Brier",
        "of base rate",
    ):
        drawn.add_column(name, justify="left" if name in {"", "vintages"} else "right")
    for side, vintages, found in (
        ("trained on", model.sides.training, model.training),
        ("tested on", model.sides.test, model.test),
    ):
        drawn.add_row(
            side,
            f"{vintages[0].vintage} - {vintages[-1].vintage}",
            f"{found.loans:,}",
            f"{found.bad:,}",
            f"{found.base_rate:.2%}",
            *(f"{value:.3f}" for value in (found.auc, found.area_under_pr)),
            *(f"{value:.4f}" for value in (found.brier, found.brier_of_base_rate)),
        )
    return drawn


def _calibration(model: "Model") -> Table:
    drawn = grid("foretold and come, on the vintages it was tested on")
    for name in ("loans", "foretold", "came"):
        drawn.add_column(name, justify="right")
    for one in model.test.calibration:
        drawn.add_row(f"{one.loans:,}", f"{one.foretold:.2%}", f"{one.came:.2%}")
    return drawn


def _importances(model: "Model") -> Table:
    drawn = grid("what it asks about")
    drawn.add_column("column")
    drawn.add_column("importance", justify="right")
    ranked = sorted(model.importances.items(), key=lambda item: -item[1])
    for name, importance in ranked[:_MOST_IMPORTANT]:
        if importance:
            drawn.add_row(name, f"{importance:.1%}")
    return drawn
