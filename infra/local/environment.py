"""The environment variables that point a program at the local stack and at nothing else."""

from collections.abc import Mapping

from infra.local import emulator, postgres
from infra.local.processes import Background
from infra.local.state import State

STREAM, ERROR_STREAM = "events", "errors"
ARCHIVE_BUCKET = "headrace-archive-local"


def describe(state: State, aws: Background, database: Background) -> dict[str, str]:
    """What `.headrace/env` sets: for headrace, for any AWS SDK or the `aws` command, and for `psql`."""
    return {
        "AWS_ENDPOINT_URL": emulator.endpoint(aws),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "HEADRACE_STATE": str(state.root.resolve()),
        "HEADRACE_STREAM": STREAM,
        "HEADRACE_ERROR_STREAM": ERROR_STREAM,
        "HEADRACE_ARCHIVE_BUCKET": ARCHIVE_BUCKET,
        "HEADRACE_SPOOL": str(state.spool.resolve()),
        "HEADRACE_CHECKPOINT": str(state.checkpoint.resolve()),
        "HEADRACE_CACHE": str(state.cache.resolve()),
    } | postgres.variables(state, database)


def for_child(environ: Mapping[str, str], env_file: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process of the stack: its caller's, free of real AWS and PostgreSQL settings."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("AWS_", "PG"))}
    return kept | dict(env_file)
