"""`python -m stream_jobs.error_desk`: the error desk in the foreground."""

import os
import sys

from headrace.errors import SettingsError
from headrace.ops import logs
from headrace.ops.clock import SystemClock
from headrace.ops.settings import load
from headrace.ops.shutdown import Shutdown
from stream_jobs.error_desk.launcher import run
from stream_jobs.error_desk.settings import ErrorDeskSettings


def main() -> int:
    """Read the environment, run, and return the exit code."""
    environ = dict(os.environ)  # noqa: TID251  the entry point reads it once
    try:
        settings = load(ErrorDeskSettings, environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    logs.configure(process="error-desk", level=settings.log_level, form=settings.log_format)
    return run(settings, environ, clock=SystemClock(), shutdown=Shutdown.install())


if __name__ == "__main__":
    sys.exit(main())
