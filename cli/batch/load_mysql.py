"""`headrace batch load-mysql`: the tables' partitions into MySQL, every byte checked on the way."""

import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click
import msgspec

from batch_jobs.settings import BatchSettings
from cli.batch.partitions import NONE, bar, partitions, vintage
from cli.consoles import console, grid
from cli.exit_codes import GOOD
from cli.place import Place, tell
from headrace.ops.settings import load
from headrace.schemas.loan_tables import LOAN_KEYS, LOAN_TABLES

if TYPE_CHECKING:
    from batch_jobs.load_mysql.loader import Loaded

EXAMPLE = """
\b
Example: headrace batch load-mysql
         headrace batch load-mysql --table loan_originations --connections 4
         HEADRACE_MYSQL_URL=mysql://user:password@host/database headrace batch load-mysql

\b
TLS is required of every host but this one. RDS's certificates are named in the
URL: ?ssl_ca=/path/to/global-bundle.pem
"""


@click.command(epilog=EXAMPLE)
@click.option("--table", "tables", multiple=True, type=click.Choice([*LOAN_TABLES]), help="Only this table.")
@click.option(
    "--vintage", "vintages", multiple=True, callback=vintage, help="Only this vintage, 2005Q1; repeatable."
)
@click.option("--connections", type=click.IntRange(1, 32), default=2, show_default=True, help="At a time.")
@click.option("--again", is_flag=True, help="Also what is loaded already.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    place: Place,
    /,
    *,
    tables: tuple[str, ...] = (),
    vintages: tuple[str, ...] = (),
    connections: int = 2,
    again: bool = False,
    as_json: bool = False,
) -> int:
    """Load the converted tables into MySQL: HEADRACE_MYSQL_URL's, else a local MariaDB.

    No value is cut, rounded or replaced: what MySQL would change is refused. A partition appears whole, in
    place of the one that was there. Stopped half way, the same command goes on where it was.
    """
    from batch_jobs.load_mysql.address import parse  # noqa: PLC0415  the help should not wait for it
    from batch_jobs.load_mysql.loader import Loader  # noqa: PLC0415  the same
    from batch_jobs.storage import Storage  # noqa: PLC0415  the same

    storage = Storage(load(BatchSettings, place.environ).root_folder, place.environ)
    address = parse(place.mysql_url())
    wanted = partitions(place, "load-mysql", storage, tables, vintages)
    done: list[Loaded] = []
    try:
        with bar("loading", sum(output.rows for output in wanted)) as advance:
            loader = Loader(address, storage, place.clock, connections=connections, advance=advance)
            with closing(loader):
                for output in wanted:
                    table, key = LOAN_TABLES[output.table], LOAN_KEYS[output.table]
                    done.append(loader.load(table, key, output, again=again))
                    _say(done[-1])
    finally:  # what was loaded before an error is told before the error
        if done or not wanted or as_json:
            _show(done, as_json=as_json)
    return GOOD


def _say(loaded: "Loaded") -> None:
    if not sys.stderr.isatty():
        state = "already loaded" if loaded.already else "loaded"
        tell(f"{loaded.table} {loaded.vintage}: {loaded.rows:,} rows {state}")


def _show(done: "Sequence[Loaded]", *, as_json: bool) -> None:
    if as_json:
        told = {"partitions": [msgspec.to_builtins(loaded) for loaded in done]}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
        return
    if not done:
        console().print(NONE)
        return
    drawn = grid("in MySQL")
    for name in ("table", "vintage", "rows", "already loaded"):
        drawn.add_column(name, justify="right" if name == "rows" else "left")
    for loaded in done:
        drawn.add_row(loaded.table, loaded.vintage, f"{loaded.rows:,}", "yes" if loaded.already else "no")
    console().print(drawn)
