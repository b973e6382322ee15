import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from headrace.errors import LocalStackFailed
from headrace.ops.clock import SystemClock
from infra.local import postgres, processes
from infra.local.state import State

pytestmark = pytest.mark.stack


def value(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Any:
    row = cursor.fetchone()
    assert row is not None
    return row[0]


def test_it_comes_up_in_utc_and_utf8_on_the_loopback_interface_only(state: State, clock: SystemClock) -> None:
    background = postgres.start(state, os.environ, clock, preferred=0)
    with psycopg.connect(postgres.url(state, background)) as connection:
        shown = [
            value(connection.execute(f"SHOW {name}"))
            for name in ("timezone", "server_encoding", "fsync", "data_checksums")
        ]
        sort = connection.execute("SELECT array_agg(x ORDER BY x) FROM unnest('{b,a,B,ä}'::text[]) x")
        assert value(sort) == ["B", "a", "b", "ä"]
    assert shown == ["UTC", "UTF8", "on", "on"]
    listening = [
        connection.laddr
        for connection in psutil.Process(background.pid).net_connections(kind="all")
        if connection.status == psutil.CONN_LISTEN or isinstance(connection.laddr, str)
    ]
    assert [tuple(address) for address in listening] == [("127.0.0.1", background.port)]


def test_nobody_gets_in_without_the_password(state: State, clock: SystemClock) -> None:
    background = postgres.start(state, os.environ, clock, preferred=0)
    url = postgres.url(state, background)
    password = state.postgres_password.read_text().strip()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(url.replace(password, "guess"))
    assert state.postgres_password.stat().st_mode & 0o077 == 0


def test_it_outlives_its_starter(state: State, clock: SystemClock) -> None:
    program = (
        "import os, sys; from pathlib import Path; from headrace.ops.clock import SystemClock;"
        "from infra.local import postgres; from infra.local.state import State;"
        "postgres.start(State(Path(sys.argv[1])), os.environ, SystemClock(), preferred=0)"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(state.root)], check=True, cwd=Path(postgres.__file__).parents[2]
    )
    background = processes.find(state, postgres.NAME)
    assert background is not None
    with psycopg.connect(postgres.url(state, background)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert postgres.start(state, os.environ, clock, preferred=0) == background


def test_data_survives_a_stop_and_a_kill(state: State, clock: SystemClock) -> None:
    background = postgres.start(state, os.environ, clock, preferred=0)
    with psycopg.connect(postgres.url(state, background)) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    assert postgres.stop(state, clock)
    background = postgres.start(state, os.environ, clock, preferred=0)
    os.kill(background.pid, signal.SIGKILL)
    assert processes._gone(background, clock, patience=20)
    background = postgres.start(state, os.environ, clock, preferred=0)
    with psycopg.connect(postgres.url(state, background)) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)


def test_another_port_is_taken_when_the_preferred_one_is_in_use(state: State, clock: SystemClock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert postgres.start(state, os.environ, clock, preferred=port).port != port


def test_the_folders_above_it_are_not_opened_to_others(
    state: State, clock: SystemClock, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    background = postgres.start(state, os.environ, clock, preferred=0)
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    assert psutil.Process(background.pid).uids().effective != 0
    assert state.postgres.stat().st_mode & 0o077 == 0


def test_a_cluster_that_was_half_made_is_made_again(state: State, clock: SystemClock) -> None:
    (state.root / "postgres.new/base").mkdir(parents=True)
    assert postgres.start(state, os.environ, clock, preferred=0)


def test_a_broken_cluster_is_said_with_the_end_of_the_log(state: State, clock: SystemClock) -> None:
    postgres.start(state, os.environ, clock, preferred=0)
    postgres.stop(state, clock)
    (state.postgres / "PG_VERSION").write_text("9\n")
    with pytest.raises(LocalStackFailed, match="version"):
        postgres.start(state, os.environ, clock, preferred=0)
    assert not list(state.run.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that it closes to the server's account")
def test_programs_in_a_folder_that_is_closed_to_others_can_be_run(
    state: State, clock: SystemClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = postgres._programs().parents[1]
    shutil.copytree(package, closed / package.name, ignore=shutil.ignore_patterns("pginstall"))
    shutil.copytree(package.parent / f"{package.name}.libs", closed / f"{package.name}.libs")
    programs = closed / postgres._programs().relative_to(package.parent)
    monkeypatch.setattr(postgres, "_programs", lambda: programs)
    assert postgres.start(state, os.environ, clock, preferred=0)
