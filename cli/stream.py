"""`headrace stream`: the stream job in the foreground."""

import os
import sys

import click

from cli.place import Place


@click.command(epilog="Example: headrace stream, after headrace up --without stream")
@click.pass_obj
def command(place: Place) -> None:
    """Run the stream job until SIGTERM or Ctrl-C. Its settings come from the environment."""
    from infra.local import java  # noqa: PLC0415  the help should not wait for it

    environ = dict(place.streams_environ())
    environ["JAVA_HOME"] = str(java.find(environ).home)
    # Spark and the AWS SDK read the process's own environment, so the job gets a process with the right one.
    os.execve(sys.executable, [sys.executable, "-m", "stream_jobs"], environ)  # noqa: S606  no shell is wanted
