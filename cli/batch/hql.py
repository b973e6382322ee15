"""`headrace batch hql`: the analysts' Hive queries."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cli import rows
from cli.batch.spark import spark
from cli.consoles import console, grid
from cli.place import Place

_UNKNOWN_TABLE = "TABLE_OR_VIEW_NOT_FOUND"


@click.command(epilog="Example: headrace batch hql vintage_curves --format csv > curves.csv")
@click.argument("query", metavar="NAME|FILE", required=False)
@click.option("--list", "as_list", is_flag=True, help="Name the queries there are, with what each answers.")
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True
)
@click.pass_obj
def command(place: Place, query: str | None, form: rows.Format, *, as_list: bool) -> None:
    """Run a query that comes with headrace, or one of your own from a file.

    Tables are loan_originations and loan_performance, and the lines they came from: raw_originations and
    raw_performance.
    """
    from batch_jobs.hql.queries import queries, run  # noqa: PLC0415  the help should not wait for Spark

    if as_list:
        drawn = grid("")
        for name in ("query", "answers"):
            drawn.add_column(name)
        for known in queries().values():
            drawn.add_row(known.name, known.question)
        console().print(drawn)
        return
    if query is None:
        raise click.UsageError("name a query, or a file that holds one; --list names those there are")
    text = _text(query)
    with spark(place, f"hql {query}") as session, _told():
        columns, found = run(session, text)
        try:
            rows.write(columns, found, form, sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader (`| head`) has enough; what is still buffered must not be tried again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _text(query: str) -> str:
    from batch_jobs.hql.queries import queries, read  # noqa: PLC0415  as above

    known = queries()
    if query in known:
        return known[query].text
    if not Path(query).is_file():
        raise click.UsageError(f"no query {query!r}, and no such file; --list names the queries there are")
    return read(Path(query)).text


@contextmanager
def _told() -> Iterator[None]:
    """Spark's complaints, without its stack."""
    from pyspark.errors import PySparkException  # noqa: PLC0415  as above

    try:
        yield
    except PySparkException as error:
        told = str(error).partition("JVM stacktrace")[0].strip()
        if error.getCondition() == _UNKNOWN_TABLE:
            told += "\n`headrace batch originations` and `headrace batch performance` make the tables."
        raise click.ClickException(told) from error
