"""`headrace query`: SQL for an analyst."""

import os
import sys

import click

from cli import rows
from cli.place import Place
from headrace.errors import SchemaMismatch, WarehouseRefused
from headrace.warehouse.reader import Statement


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
    with place.analyst() as reader:
        try:
            (found,) = reader.read(Statement(statement))
        except (WarehouseRefused, SchemaMismatch) as error:
            raise click.UsageError(f"the warehouse refuses the statement: {error}") from error
    try:
        rows.write(found.columns, iter(found.rows), form, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) has enough; what is still buffered must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
