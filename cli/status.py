"""`headrace status`: what of the local stack runs."""

import json
import sys

import click

from cli.exit_codes import FAILED
from cli.place import Place, tell


@click.command(epilog="Example: headrace status --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(place: Place, *, as_json: bool) -> int:
    """Show each part of the local stack. Exit code 1 when one does not run, or is not healthy."""
    parts = place.stack(tell).status()
    if as_json:
        sys.stdout.write(json.dumps([part._asdict() for part in parts], indent=2) + "\n")
    else:
        for part in parts:
            health = "" if part.healthy is None else ("  healthy" if part.healthy else "  not healthy")
            where = f"pid {part.pid:<8} {part.address or ''}{health}" if part.running else "not running"
            sys.stdout.write(f"{part.name:<12} {where}\n")
    return 0 if all(part.running and part.healthy is not False for part in parts) else FAILED
