"""`headrace batch unload`: a warehouse table back to Parquet."""

import sys
from contextlib import closing
from pathlib import Path

import click
import msgspec

from cli.batch.partitions import bar, vintage
from cli.consoles import console
from cli.exit_codes import GOOD
from cli.place import Place
from headrace.errors import SettingsError
from headrace.schemas.loan_tables import LOAN_TABLES

EXAMPLE = """
\b
Example: headrace batch unload loan_performance --vintage 2005Q1 --out ./2005Q1
         headrace batch unload loan_originations --out s3://bucket/originations
"""


@click.command(epilog=EXAMPLE)
@click.argument("table", type=click.Choice([*LOAN_TABLES]))
@click.option("--vintage", callback=vintage, help="Only this vintage, 2005Q1.  [default: all]")
@click.option("--out", required=True, metavar="DIR", help="A new folder: a path, or s3://…")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(place: Place, /, *, table: str, vintage: str | None, out: str, as_json: bool) -> int:
    """Write a table of the warehouse to Parquet files, as it is at one moment.

    The columns and their types are those of the files that were loaded. `manifest`, written last, names
    every file with its bytes and rows; a folder without it is not whole. Nothing is overwritten: exit code 1
    when the folder is not empty.
    """
    from batch_jobs.load_warehouse.unload import unload  # noqa: PLC0415  the help should not wait for it
    from batch_jobs.storage import Storage  # noqa: PLC0415  the same
    from headrace.warehouse.engines.postgresql import PostgresqlSession  # noqa: PLC0415  the same

    url = place.warehouse_url()
    if not url.startswith("postgres"):
        raise SettingsError(_elsewhere(table, vintage, out))
    storage = Storage(out if "://" in out else str(Path(out).resolve()), place.environ)
    with closing(PostgresqlSession(url)) as session, bar("unloading", None) as advance:
        done = unload(session, storage, LOAN_TABLES[table], vintage, advance=advance)
    if as_json:
        told = msgspec.to_builtins(done) | {"folder": storage.root}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
    else:
        files = f"{done.files:,} file{'' if done.files == 1 else 's'}"
        console().print(
            f"{done.rows:,} rows in {files}, {done.bytes:,} bytes: {storage.root}", soft_wrap=True
        )
    return GOOD


def _elsewhere(table: str, vintage: str | None, out: str) -> str:
    """Redshift writes Parquet itself, and needs no process beside it."""
    from headrace.warehouse.engines.redshift_sql import unload  # noqa: PLC0415  the help should not wait for it
    from headrace.warehouse.partition_sql import rows_of  # noqa: PLC0415  the same

    folder = f"{out.rstrip('/')}/" if out.startswith("s3://") else "s3://BUCKET/FOLDER/"
    statement = unload(rows_of(LOAN_TABLES[table], vintage), folder, "ARN OF THE COPY ROLE")
    return (
        "HEADRACE_WAREHOUSE_URL names a Redshift, and this command reads PostgreSQL only. Redshift writes "
        f"such files itself: send it, in the query editor or with any client, {statement}"
    )
