"""`headrace`: the one program; each command is a module beside this one."""

import os
import sys

import click

from cli.exit_codes import FAILED, INTERRUPTED, WRONG_USE
from cli.lazy import Lazy, LazyGroup
from cli.place import Place
from headrace.errors import HeadraceError, SettingsError, SourceUnreadable
from headrace.ops.clock import SystemClock

COMMANDS = {
    "demo": Lazy("cli.demo", "Replay a real log into the local stack, and prove the result."),
    "up": Lazy("cli.up", "Start the local stack in the background."),
    "down": Lazy("cli.down", "Stop the local stack."),
    "status": Lazy("cli.status", "Show what of the local stack runs."),
    "produce": Lazy("cli.produce", "Send records: files or standard input."),
    "spool": Lazy("cli.spool", "Look into a producer's spool: inspect, verify, export."),
    "stream": Lazy("cli.stream", "Run the stream job in the foreground."),
    "windows": Lazy("cli.windows", "Show the newest windows of each output."),
    "query": Lazy("cli.query", "Ask the warehouse in SQL."),
    "reconcile": Lazy("cli.reconcile", "Prove that every record is accounted for."),
    "events": Lazy("cli.events", "Show the newest records of the stream, and follow it."),
    "errors": Lazy("cli.errors", "Show the newest rejects, and follow them."),
    "replay-errors": Lazy("cli.replay_errors", "Put rejected records back, mended or as they are."),
    "deploy": Lazy("cli.deploy", "Deploy a stage, on AWS or here, and prove that it works."),
    "diff": Lazy("cli.diff", "Show what a deployment would change."),
    "reshard": Lazy("cli.reshard", "Give a stage's streams another count of shards."),
    "migrate": Lazy("cli.migrate", "Bring the warehouse's schema to this version."),
    "smoke": Lazy("cli.smoke", "Send records through a stage, and see them counted."),
    "destroy": Lazy("cli.destroy", "Remove a stage, and say what is left of it."),
    "batch": Lazy("cli.batch.group", "Loan files to tables, MySQL and a decision tree."),
    "reference": Lazy("cli.reference", "Print every setting, metric, stream, table and error."),
}


HELP = """Bring live records to analysts' tables, every one accounted for exactly once.

Exit codes: 0 good, 1 the check failed, 2 wrong use.
"""
headrace = click.version_option(package_name="headrace")(
    LazyGroup("headrace", COMMANDS, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
)


def main() -> None:
    """The entry point: an error that headrace knows is one line, not a traceback."""
    place = Place(dict(os.environ), SystemClock())  # noqa: TID251  the one place that reads it
    sys.exit(run(sys.argv[1:], place))


def run(arguments: list[str], place: Place) -> int:
    """Run one command line; the exit code."""
    try:
        result = headrace.main(arguments, prog_name="headrace", standalone_mode=False, obj=place)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except HeadraceError as error:
        sys.stderr.write(f"headrace: {error}\n")
        return WRONG_USE if isinstance(error, SettingsError | SourceUnreadable) else FAILED
    return result if isinstance(result, int) else 0
