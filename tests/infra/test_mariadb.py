import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pymysql
import pytest

from headrace.errors import LocalStackFailed
from headrace.ops.clock import SystemClock
from infra.local import mariadb, processes
from infra.local.processes import Background
from infra.local.state import State

pytestmark = pytest.mark.stack


def ask(state: State, background: Background, statement: str, **changes: Any) -> Any:
    password = state.mariadb_password.read_text().strip()
    place: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": background.port,
        "user": "headrace",
        "password": password,
    }
    with pymysql.connect(**(place | {"database": "headrace"} | changes), autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchall()


def test_it_comes_up_as_loose_as_rds_on_the_loopback_interface_only(state: State, clock: SystemClock) -> None:
    background = mariadb.start(state, os.environ, clock, preferred=0)
    shown = ask(state, background, "SELECT @@sql_mode, @@character_set_server, @@time_zone, @@local_infile")
    assert shown == (("NO_ENGINE_SUBSTITUTION", "latin1", "SYSTEM", 1),)
    listening = [
        connection.laddr
        for connection in psutil.Process(background.pid).net_connections(kind="all")
        if connection.status == psutil.CONN_LISTEN or isinstance(connection.laddr, str)
    ]
    assert [tuple(address) for address in listening] == [("127.0.0.1", background.port)]


def test_the_one_account_needs_the_password(state: State, clock: SystemClock) -> None:
    background = mariadb.start(state, os.environ, clock, preferred=0)
    for user in ("headrace", "root", ""):
        with pytest.raises(pymysql.OperationalError, match=r"Access denied|not allowed"):
            ask(state, background, "SELECT 1", user=user, password="guess")
    assert ask(state, background, "SELECT User FROM mysql.global_priv") == (("headrace",),)
    assert state.mariadb_password.stat().st_mode & 0o077 == 0


def test_it_outlives_its_starter(state: State, clock: SystemClock) -> None:
    program = (
        "import os, sys; from pathlib import Path; from headrace.ops.clock import SystemClock;"
        "from infra.local import mariadb; from infra.local.state import State;"
        "mariadb.start(State(Path(sys.argv[1])), os.environ, SystemClock(), preferred=0)"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(state.root)], check=True, cwd=Path(mariadb.__file__).parents[2]
    )
    background = processes.find(state, mariadb.NAME)
    assert background is not None
    assert ask(state, background, "SELECT 1") == ((1,),)
    assert mariadb.start(state, os.environ, clock, preferred=0) == background


def test_data_survives_a_stop_and_a_kill(state: State, clock: SystemClock) -> None:
    background = mariadb.start(state, os.environ, clock, preferred=0)
    ask(state, background, "CREATE TABLE kept AS SELECT 7 AS n")
    assert mariadb.stop(state, clock)
    background = mariadb.start(state, os.environ, clock, preferred=0)
    os.kill(background.pid, signal.SIGKILL)
    assert processes._gone(background, clock, patience=20)
    background = mariadb.start(state, os.environ, clock, preferred=0)
    assert ask(state, background, "SELECT n FROM kept") == ((7,),)


def test_another_port_is_taken_when_the_preferred_one_is_in_use(state: State, clock: SystemClock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert mariadb.start(state, os.environ, clock, preferred=port).port != port


def test_the_folders_above_it_are_not_opened_to_others(
    state: State, clock: SystemClock, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    background = mariadb.start(state, os.environ, clock, preferred=0)
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    assert psutil.Process(background.pid).uids().effective != 0
    assert state.mariadb.stat().st_mode & 0o077 == 0


def test_data_that_was_half_made_is_made_again_and_all_of_it_is_wiped(
    state: State, clock: SystemClock
) -> None:
    (state.root / "mariadb.new/mysql").mkdir(parents=True)
    assert mariadb.start(state, os.environ, clock, preferred=0)
    assert mariadb.stop(state, clock)
    state.wipe()
    assert not list(state.root.glob("mariadb*"))


def test_broken_data_is_said_with_the_end_of_the_log(state: State, clock: SystemClock) -> None:
    mariadb.start(state, os.environ, clock, preferred=0)
    mariadb.stop(state, clock)
    (state.mariadb / "ibdata1").write_bytes(b"garbage")
    with pytest.raises(LocalStackFailed, match="InnoDB"):
        mariadb.start(state, os.environ, clock, preferred=0)
    assert not list(state.run.iterdir())


def test_a_machine_without_it_is_told_what_to_install(
    state: State, clock: SystemClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mariadb, "_FOLDERS", ())
    with pytest.raises(LocalStackFailed, match=r"apt-get install mariadb-server-core.*HEADRACE_MYSQL_URL"):
        mariadb.start(state, {"PATH": ""}, clock, preferred=0)
    assert not state.mariadb.exists()
