"""`headrace down`: stop the local stack without losing a record."""

import click

from cli.place import Place, tell


@click.command(epilog="Example: headrace down")
@click.option("--now", is_flag=True, help="Do not wait until everything on the streams is read.")
@click.pass_obj
def command(place: Place, *, now: bool) -> None:
    """Stop the producers, let everything on the streams be read, then stop all.

    What the emulator and the warehouse hold is kept in `.headrace/` for the next `headrace up`.
    """
    with place.state.exclusive():
        place.stack(tell).down(now=now)
