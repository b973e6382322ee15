"""`headrace diff`: what a deployment would change."""

import click

from cli.changes_shown import draw
from cli.consoles import console
from cli.exit_codes import FAILED, GOOD
from cli.place import Place, tell
from cli.staged import opened, stage_option


@click.command(epilog="Example: headrace diff --stage prod")
@stage_option
@click.pass_obj
def command(place: Place, name: str) -> int:
    """Show what `headrace deploy` would make, change, replace and destroy, by stack; nothing is changed.

    Exit code 0: there are no changes; 1: there are.
    """
    with opened(place, name, start=False) as site:
        deployment = site.synthesized()
        found = deployment.view(site.target.parameters())
        console().print(draw(found))
        strangers = deployment.strangers()
    for stack in strangers:
        tell(f"{stack} is deployed, and the stage's file does not ask for it")
    return FAILED if found else GOOD
