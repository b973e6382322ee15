"""MariaDB: the laptop's stand-in for RDS MySQL, on a loopback port, with a password of its own.

It starts as loose as RDS does: no strict mode, latin1 as the default, the machine's time zone. A client that
forgets to set its session then fails here and not there first.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from headrace.errors import LocalStackFailed
from headrace.ops.clock import Clock
from infra.local import ports, processes
from infra.local.processes import Background
from infra.local.state import State
from infra.local.unprivileged import nobody, unprivileged

NAME = "mariadb"
PORT = 33060
OWNER = DATABASE = "headrace"
PACKAGE = "mariadb-server-core"  # Debian and Ubuntu: the programs alone, without a service
_READY_SECONDS = 60
_FOLDERS = ("/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/local/bin")
_SCRIPTS = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
_LOOSE = {
    "sql-mode": "NO_ENGINE_SUBSTITUTION",
    "character-set-server": "latin1",
    "default-time-zone": "SYSTEM",
}
_OPTIONS = _LOOSE | {
    "bind-address": ports.LOOPBACK,
    "socket": "",
    "skip-name-resolve": "1",
    "local-infile": "1",
    "innodb-buffer-pool-size": "256M",
}


def find(environ: Mapping[str, str]) -> Path:
    """The server's program. Raises LocalStackFailed when MariaDB is not installed."""
    path = os.pathsep.join((environ.get("PATH", ""), *_FOLDERS))
    found = shutil.which("mariadbd", path=path)
    if found is None:
        raise LocalStackFailed(
            "MariaDB is not installed: run `make setup`, or install it (on Debian and Ubuntu "
            f"`apt-get install {PACKAGE}`), or name a server with HEADRACE_MYSQL_URL."
        )
    return Path(found).resolve()


def start(
    state: State,
    environ: Mapping[str, str],
    clock: Clock,
    *,
    preferred: int = PORT,
    options: Mapping[str, str] | None = None,
) -> Background:
    """Start MariaDB unless it runs, making its data the first time; returns once it answers.

    It takes another port when the preferred one is in use, and outlives its starter; `options` are the
    server's. Raises LocalStackFailed when it does not come up.
    """
    if (background := processes.find(state, NAME)) is not None:
        return background
    program = find(environ)
    state.make()
    if not state.mariadb.exists():
        _make_data(state, program, environ)
    told = [f"--{name}={value}" for name, value in (_OPTIONS | dict(options or {})).items()]
    with ports.turn():
        port = ports.choose(preferred)
        serve = [str(program), "--no-defaults", *_folders(state.mariadb.resolve()), f"--port={port}"]
        background = processes.start(state, NAME, unprivileged([*serve, *told]), environ, port=port)
        _wait(state, background, clock)
    return background


def stop(state: State, clock: Clock) -> bool:
    """Stop MariaDB cleanly: open transactions are rolled back."""
    return processes.stop(state, NAME, clock)


def url(state: State, background: Background) -> str:
    """The URL that HEADRACE_MYSQL_URL takes; it holds the password."""
    password = state.mariadb_password.read_text().strip()
    return f"mysql://{OWNER}:{password}@{ports.LOOPBACK}:{background.port}/{DATABASE}"


def _folders(data: Path) -> list[str]:
    """A server that starts clears its temporary folder of other servers' tables too: each has its own."""
    return [f"--datadir={data}", f"--tmpdir={data}"]


def _make_data(state: State, program: Path, environ: Mapping[str, str]) -> None:
    """Make the data beside its place and move it there when it is whole."""
    new = state.root.resolve() / "mariadb.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    password = state.mariadb_password
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24) + "\n")
    if os.geteuid() == 0:
        shutil.chown(new, nobody())
    command = [str(program), "--no-defaults", "--bootstrap", *_folders(new), "--log-warnings=0"]
    made = subprocess.run(
        unprivileged(command),
        env=dict(environ),
        input=_first_statements(program, password.read_text().strip()),
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        shutil.rmtree(new, ignore_errors=True)
        words = "\n  ".join(made.stderr.strip().splitlines()[-5:])
        raise LocalStackFailed(f"MariaDB could not make its data in {state.root}: {words}")
    new.rename(state.mariadb)


def _first_statements(program: Path, password: str) -> str:
    """The system tables, as `mariadb-install-db` makes them, and one account in place of its open ones."""
    account = f"{OWNER}@'{ports.LOOPBACK}'"
    first = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n"
    own: Sequence[str] = (
        "DELETE FROM mysql.global_priv",
        "DELETE FROM mysql.proxies_priv",
        "FLUSH PRIVILEGES",
        f"CREATE DATABASE {DATABASE}",
        f"CREATE USER {account} IDENTIFIED BY '{password}'",
        f"GRANT ALL ON *.* TO {account}",
    )
    scripts = _scripts(program)
    tables = "".join((scripts / name).read_text() for name in _SCRIPTS)
    return first + tables + "".join(f"{statement};\n" for statement in own)


def _scripts(program: Path) -> Path:
    """The folder with the statements that make the system tables."""
    share = program.parents[1] / "share"
    for folder in (share / "mysql", share / "mariadb", share):
        if (folder / _SCRIPTS[0]).exists():
            return folder
    raise LocalStackFailed(f"{program} lies there without its SQL scripts in {share}: install MariaDB again.")


def _wait(state: State, background: Background, clock: Clock) -> None:
    import pymysql  # noqa: PLC0415  slow to import, and a command that finds the server running needs none

    deadline = clock.monotonic() + _READY_SECONDS
    password = state.mariadb_password.read_text().strip()
    while True:
        try:
            pymysql.connect(
                host=ports.LOOPBACK,
                port=background.port,
                user=OWNER,
                password=password,
                database=DATABASE,
                connect_timeout=2,
            ).close()
        except pymysql.Error as error:
            if not processes.running(background) or clock.monotonic() > deadline:
                words = processes.last_words(state, NAME)
                processes.stop(state, NAME, clock, patience=5)
                raise LocalStackFailed(
                    f"MariaDB did not come up on port {background.port}: {words}"
                ) from error
        else:
            return
        clock.sleep(0.05)
