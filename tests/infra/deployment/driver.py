"""Runs one `headrace` command on the toy stage in a process of its own, to be killed."""

import os
import sys
from pathlib import Path
from unittest.mock import patch

from cli import staged
from cli.main import run
from cli.place import Place
from headrace.ops.clock import SystemClock
from infra.deployment.assembly import Assembly
from infra.stacks import stage
from tests.infra.deployment import toy


def main() -> int:
    state, assembly, *words = sys.argv[1:]
    place = Place({**os.environ, "HEADRACE_STATE": state}, SystemClock())
    with (
        patch.object(stage, "read_stage_file", lambda _: toy.FILE),
        patch.object(staged, "synthesize", lambda *_: Assembly.read(Path(assembly))),
        patch.object(staged.Site, "_build", lambda _: None),
    ):
        return run(words, place)


if __name__ == "__main__":
    sys.exit(main())
