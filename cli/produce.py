"""`headrace produce`: a producer in the foreground."""

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from cli.place import Place
from headrace.ops import logs
from headrace.ops.settings import load
from headrace.ops.shutdown import Shutdown
from infra.local import processes
from infra.local.stack import PRODUCER
from producers import daemon
from producers.settings import ProducerSettings


@click.command(epilog="Example: headrace produce file /var/log/nginx/access.log --follow")
@click.argument("source", type=click.Choice(["file", "stdin"]))
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--follow", is_flag=True, default=None, help="Go on as the files grow and rotate, like tail -F."
)
@click.option("--type", metavar="NAME", help="The record type of the lines; else web_access.v1.")
@click.option("--format", type=click.Choice(["access_log", "ndjson"]), help="The format of the lines.")
@click.option("--stream", metavar="NAME", help="The Kinesis stream; else HEADRACE_STREAM, else events.")
@click.option("--spool", metavar="DIR", help="The folder of the spool; else HEADRACE_SPOOL.")
@click.option("--rebase", type=click.Choice(["now"]), help="Shift event times so that the newest is now.")
@click.option("--rate", type=float, metavar="LINES_PER_SECOND", help="The most lines a second.")
@click.option("--config", type=click.Path(path_type=Path), help="A settings file, producers.toml.")
@click.pass_obj
def command(place: Place, /, config: Path | None, **given: Any) -> int:  # noqa: ANN401  click's own types
    """Send the lines of files, or of standard input, each exactly once.

    Replays to the end and exits, or follows until SIGTERM or Ctrl-C. A restart goes on where it stopped.
    """
    environ = place.streams_environ()
    overrides = given | {"paths": given["paths"] or None}
    settings = load(ProducerSettings, environ, stage_file=config, overrides=overrides)
    logs.configure(process="producer", level=settings.log_level, form=settings.log_format)
    local = environ is not place.environ
    os.environ.clear()  # noqa: TID251  the AWS SDK reads the process's own environment
    os.environ.update(environ)  # noqa: TID251  the same
    # On the local stack, `headrace down` stops it.
    known = processes.registered(place.state, f"{PRODUCER}-{os.getpid()}") if local else nullcontext()
    with known:
        return daemon.run(settings, place.clock, Shutdown.install())
