"""`headrace produce`: a producer in the foreground."""

import os
from contextlib import nullcontext

from cli.place import Place
from infra.local import processes
from infra.local.stack import PRODUCER
from producers.command import Configure, SourcesGroup, run_here


def _start(place: Place, configure: Configure, check: bool) -> int:  # noqa: FBT001  the command's own shape
    environ = place.streams_environ()
    local = environ is not place.environ and not check
    os.environ.clear()  # noqa: TID251  the AWS SDK reads the process's own environment
    os.environ.update(environ)  # noqa: TID251  the same
    # On the local stack, `headrace down` stops it.
    known = processes.registered(place.state, f"{PRODUCER}-{os.getpid()}") if local else nullcontext()
    with known:
        return run_here(configure, environ, place.clock, check=check)


command = SourcesGroup(_start)
