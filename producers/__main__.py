"""`python -m producers`: one producer daemon, set up by its arguments and the environment."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from headrace.errors import HeadraceError, SettingsError, SourceUnreadable, SpoolInUse
from headrace.ops import logs
from headrace.ops.clock import SystemClock
from headrace.ops.settings import load
from headrace.ops.shutdown import Shutdown
from producers import daemon
from producers.settings import ProducerSettings

FAILED, WRONG_USE = 1, 2


@click.command(epilog="Example: python -m producers file access.log --follow --spool /var/lib/headrace")
@click.argument("source", type=click.Choice(["file", "stdin"]))
@click.argument("paths", nargs=-1)
@click.option("--follow", is_flag=True, default=None, help="Go on as the files grow, like tail -F.")
@click.option("--type", metavar="NAME", help="The record type of the lines.")
@click.option("--format", type=click.Choice(["access_log", "ndjson"]), help="The format of the lines.")
@click.option("--stream", metavar="NAME", help="The Kinesis stream.")
@click.option("--spool", metavar="DIR", help="The folder of the spool.")
@click.option("--rebase", type=click.Choice(["now"]), help="Shift event times so that the newest is now.")
@click.option("--rate", type=float, help="Lines per second at most.")
@click.option("--config", type=click.Path(path_type=Path), help="A settings file (TOML).")
def main(config: Path | None, **given: Any) -> None:  # noqa: ANN401  click's own types
    """Send the lines of files or of standard input to a stream, each once."""
    try:
        overrides = given | {"paths": given["paths"] or None}
        environ = os.environ  # noqa: TID251  this is the entry point
        settings = load(ProducerSettings, environ, stage_file=config, overrides=overrides)
        logs.configure(process="producer", level=settings.log_level, form=settings.log_format)
        sys.exit(daemon.run(settings, SystemClock(), Shutdown.install()))
    except HeadraceError as error:
        click.echo(f"producer: {error}", err=True)
        wrong_use = isinstance(error, SettingsError | SourceUnreadable | SpoolInUse)
        sys.exit(WRONG_USE if wrong_use else FAILED)


if __name__ == "__main__":
    main(prog_name="python -m producers")
