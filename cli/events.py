"""`headrace events`: the newest records of the stream, as `tail -f` shows a file."""

from typing import Any

import click

from cli.place import Place
from cli.watch import Look, options, watch


@click.command(epilog="Example: headrace events --follow --type web_access.v1")
@options
@click.option("--all", "every", is_flag=True, help="Also what producers say about themselves.")
@click.pass_obj
def command(place: Place, /, **given: Any) -> int:  # noqa: ANN401  those of Look
    """Show the newest records of the stream: arrival, type, source and number, event time, data.

    A record that is rejected, here or by its producer, is red, with its code and the first thing that is
    wrong. Values that are marked as personal are hidden.
    """
    return watch(place, Look(**given), errors=False)
