"""`headrace batch load-warehouse`: the tables' partitions into the warehouse, each exactly once."""

import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click
import msgspec
from rich.text import Text

from batch_jobs.settings import BatchSettings
from cli.batch.partitions import NONE, bar, partitions, vintage
from cli.consoles import console, grid
from cli.exit_codes import GOOD
from cli.place import Place, tell
from cli.printable import printable
from headrace.ops.settings import load
from headrace.schemas.loan_tables import LOAN_TABLES

if TYPE_CHECKING:
    from batch_jobs.load_warehouse.loader import Loaded
    from batch_jobs.manifest import Output
    from batch_jobs.storage import Storage

EXAMPLE = """
\b
Example: headrace batch load-warehouse
         headrace batch load-warehouse --table loan_performance --vintage 2005Q1
         headrace query "select * from batch_loads"
"""


@click.command(epilog=EXAMPLE)
@click.option("--table", "tables", multiple=True, type=click.Choice([*LOAN_TABLES]), help="Only this table.")
@click.option(
    "--vintage", "vintages", multiple=True, callback=vintage, help="Only this vintage, 2005Q1; repeatable."
)
@click.option("--again", is_flag=True, help="Also what is loaded already; rejects are merged once.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    place: Place,
    /,
    *,
    tables: tuple[str, ...] = (),
    vintages: tuple[str, ...] = (),
    again: bool = False,
    as_json: bool = False,
) -> int:
    """Load the converted tables into the warehouse: HEADRACE_WAREHOUSE_URL's, else the local PostgreSQL.

    A vintage appears whole, in place of the one that was there, and its rejects in `rejects`. Neither the
    stream job nor analysts wait. Stopped half way, or run twice, the same command goes on where it was.
    Exit code 1: files are not what their manifest says; nothing of them was loaded.
    """
    from batch_jobs.storage import Storage  # noqa: PLC0415  the help should not wait for it

    storage = Storage(load(BatchSettings, place.environ).root_folder, place.environ)
    wanted = partitions(place, "load-warehouse", storage, tables, vintages)
    done: list[Loaded] = []
    try:
        if wanted:
            _load(place, storage, wanted, done, again=again)
    finally:  # what was loaded before an error is told before the error
        _show(done, as_json=as_json)
    return GOOD


def _load(
    place: Place, storage: "Storage", wanted: "Sequence[Output]", done: "list[Loaded]", *, again: bool
) -> None:
    from batch_jobs.load_warehouse.loader import Loader  # noqa: PLC0415  the help should not wait for it
    from batch_jobs.load_warehouse.staging import streamed  # noqa: PLC0415  the same
    from headrace.schemas.registry import OUTPUTS  # noqa: PLC0415  the same
    from headrace.warehouse.opening import open_session  # noqa: PLC0415  the same
    from headrace.warehouse.warehouse import connect  # noqa: PLC0415  the same

    url = place.warehouse_url(may_make=True)
    with closing(connect(url, place.clock)) as warehouse:
        warehouse.prepare(list(OUTPUTS.values()))
    total = sum(output.rows for output in wanted)
    with closing(open_session(url)) as session, bar("loading", total) as advance:
        loader = Loader(session, storage, place.clock, streamed(storage, advance))
        for output in wanted:
            done.append(loader.load(output, again=again))
            if done[-1].already:
                advance(output.rows)
            if not sys.stderr.isatty():
                tell(f"{_outcome(done[-1])}: {output.table} {output.vintage}, {output.rows:,} rows")


def _outcome(loaded: "Loaded") -> str:
    return "loaded already" if loaded.already else "loaded"


def _show(done: "Sequence[Loaded]", *, as_json: bool) -> None:
    if as_json:
        told = {"partitions": [msgspec.to_builtins(loaded) for loaded in done]}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
        return
    if not done:
        console().print(NONE)
        return
    drawn = grid("in the warehouse")
    for name in ("table", "vintage", "file", "lines", "rows", "rejected", "outcome"):
        drawn.add_column(name, justify="right" if name in {"lines", "rows", "rejected"} else "left")
    for loaded in done:
        counts = (loaded.rows_in, loaded.rows, loaded.rejected)
        drawn.add_row(
            *(loaded.table, loaded.vintage, Text(printable(loaded.input_name))),
            *(f"{count:,}" for count in counts),
            _outcome(loaded),
        )
    console().print(drawn)
