"""`python -m producers`: one producer process, set up by its arguments and the environment."""

import os
import sys

import click

from headrace.errors import HeadraceError, SettingsError, SourceUnreadable, SpoolInUse
from headrace.ops.clock import SystemClock
from producers.command import Configure, SourcesGroup, run_here

FAILED, WRONG_USE = 1, 2


def main() -> int:
    """The exit code."""
    try:
        result = SourcesGroup(_start).main(prog_name="python -m producers", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except HeadraceError as error:
        click.echo(f"producer: {error}", err=True)
        return WRONG_USE if isinstance(error, SettingsError | SourceUnreadable | SpoolInUse) else FAILED
    return result if isinstance(result, int) else 0


def _start(_: object, configure: Configure, check: bool) -> int:  # noqa: FBT001  the command's own shape
    environ = dict(os.environ)  # noqa: TID251  this is the entry point
    return run_here(configure, environ, SystemClock(), check=check)


if __name__ == "__main__":
    sys.exit(main())
