"""`headrace down`: stop the local stack without losing a record."""

import click

from cli.place import Place, tell


@click.command(epilog="Example: headrace down")
@click.option("--now", is_flag=True, help="Do not wait for the stream job to read everything.")
@click.pass_obj
def command(place: Place, *, now: bool) -> None:
    """Stop the producers, let the stream job read everything, then stop all.

    What the emulator and the warehouse hold is kept in `.headrace/` for the next `headrace up`.
    """
    with place.state.exclusive():
        place.stack(tell).down(now=now)
