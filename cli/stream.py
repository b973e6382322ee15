"""`headrace stream`: the stream job in the foreground."""

import click

from cli.place import Place


@click.command(epilog="Example: headrace stream, after headrace up --without stream")
@click.pass_obj
def command(place: Place) -> int:
    """Run the stream job until SIGTERM or Ctrl-C. Its settings come from the environment."""
    raise NotImplementedError(place)
