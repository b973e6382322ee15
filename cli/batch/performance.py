"""`headrace batch performance`: raw monthly performance to typed, validated, partitioned Parquet."""

import click

from cli.batch.conversion import convert
from cli.place import Place

EXAMPLE = """
\b
Example: headrace batch performance
         headrace batch performance --vintage 2005Q1 --vintage 2005Q2 --json
"""


@click.command(epilog=EXAMPLE)
@click.option(
    "--vintage",
    "vintages",
    multiple=True,
    metavar="VINTAGE",
    help="2005Q1, or 2005; repeatable.  [default: all]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(place: Place, /, *, vintages: tuple[str, ...], as_json: bool) -> int:
    """Convert performance files that were taken, the newest of each vintage, to loan_performance.

    One row per loan and month, in this order. Every line becomes a row or a reject, which is no failure.
    A partition changes at once when all of it is written, so the command may be stopped and run again at any
    time, and what is converted already is not converted twice.
    """
    return convert(place, "performance", vintages, as_json=as_json)
