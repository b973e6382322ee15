"""`headrace up`: the local stack in the background."""

import click

from cli.place import Place, tell
from infra.local.workers import NAMES


@click.command(epilog="Example: headrace up && source .headrace/env && aws kinesis list-streams")
@click.option(
    "--without", type=click.Choice(NAMES), multiple=True, help="Leave this part out; may be repeated."
)
@click.pass_obj
def command(place: Place, without: tuple[str, ...]) -> None:
    """Start the local stack: AWS emulator, PostgreSQL, streams, functions, tables, and what works on them.

    That is the stream job (`stream`), the delivery to the archive in S3 (`archive`) and the error desk
    (`error-desk`). What runs already is left as it is. `.headrace/env` then points AWS SDKs, psql and
    headrace at it.
    """
    state = place.state
    with state.exclusive():
        place.stack(tell).up(without)
    tell(f"up; `source {state.env}` points AWS SDKs and psql at it, `headrace down` stops it")
