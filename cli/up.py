"""`headrace up`: the local stack in the background."""

import click

from cli.place import Place, tell


@click.command(epilog="Example: headrace up && source .headrace/env && aws kinesis list-streams")
@click.option("--without", type=click.Choice(["stream"]), help="Leave the stream job out.")
@click.pass_obj
def command(place: Place, without: str | None) -> None:
    """Start the local stack: AWS emulator, PostgreSQL, streams, tables, stream job.

    What runs already is left as it is. `.headrace/env` then points AWS SDKs, psql and headrace at it.
    """
    state = place.state
    with state.exclusive():
        place.stack(tell).up(stream=without != "stream")
    tell(f"up; `source {state.env}` points AWS SDKs and psql at it, `headrace down` stops it")
