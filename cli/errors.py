"""`headrace errors`: the newest rejects, as `tail -f` shows a file."""

from typing import Any

import click

from cli.place import Place
from cli.watch import Look, options, watch


@click.command(epilog="Example: headrace errors --follow --code wrong_type --show-personal")
@options
@click.pass_obj
def command(place: Place, /, **given: Any) -> int:  # noqa: ANN401  those of Look
    """Show the newest rejects: arrival, stage, code, source and number, what is wrong first, length.

    With --show-personal also how the record begins. `headrace query "select * from rejects"` has them all.
    """
    return watch(place, Look(**given), errors=True)
