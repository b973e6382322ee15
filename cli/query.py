"""`headrace query`: SQL for an analyst."""

import sys

import click

from cli import rows
from cli.analyst import ask, connect
from cli.place import Place


@click.command(
    epilog='Example: headrace query "select * from web_traffic_1m order by window_start desc limit 5"'
)
@click.argument("sql")
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True
)
@click.pass_obj
def command(place: Place, sql: str, form: rows.Format) -> None:
    """Run one SQL statement, read-only; `-` reads it from standard input."""
    statement = sys.stdin.read() if sql == "-" else sql
    with connect(place.warehouse_url()) as connection, ask(connection, statement) as (columns, found):
        rows.write(columns, found, form, sys.stdout)
