"""`headrace migrate`: the warehouse's schema, brought to this version."""

import sys
from contextlib import closing

import click

from cli.place import Place
from headrace.errors import SettingsError
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.migration import Users, migrate
from headrace.warehouse.opening import open_session
from headrace.warehouse.operators import open_operator


@click.command(epilog="Example: headrace migrate --writer IAMR:stream-job --reader IAMR:analyst")
@click.option(
    "--writer", "writers", multiple=True, metavar="USER", help="A database user that writes; made if missing."
)
@click.option(
    "--reader", "readers", multiple=True, metavar="USER", help="A database user that reads as analysts do."
)
@click.option(
    "--operator", "operators", multiple=True, metavar="USER", help="A database user that reads every table."
)
@click.pass_obj
def command(
    place: Place, writers: tuple[str, ...], readers: tuple[str, ...], operators: tuple[str, ...]
) -> None:
    """Make what the warehouse lacks: tables, columns, views, roles, users, grants.

    Nothing is taken away, and a second call finds nothing to do. HEADRACE_WAREHOUSE_URL must stand for the
    warehouse's administrator (redshift-data://…&secret=ARN). PostgreSQL's users are its administrator's own.
    """
    url = place.warehouse_url()
    if url.startswith("postgres"):
        if writers or readers or operators:
            raise SettingsError("HEADRACE_WAREHOUSE_URL: users are made on Redshift only")
        with closing(open_session(url)) as session:
            session.prepare(list(OUTPUTS.values()))
        return
    users, told = Users(writers, readers, operators), _Told()
    with closing(open_operator(url, place.clock, place.environ)) as operator:
        migrate(operator, place.clock, list(OUTPUTS.values()), told.say, users)
    if not told.anything:
        told.say("nothing to do: the schema is that of this version")


class _Told:
    """Says each change as it is made."""

    anything = False

    def say(self, text: str) -> None:
        """One line."""
        self.anything = True
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
