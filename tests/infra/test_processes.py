import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.ops.clock import SystemClock
from infra.local import processes
from infra.local.state import State

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
DEAF = [
    sys.executable,
    "-uc",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(600)",
]


def test_a_started_process_is_found_with_its_port_until_it_is_stopped(
    state: State, clock: SystemClock
) -> None:
    started = processes.start(state, "sleeper", SLEEP, os.environ, port=1234)
    assert processes.find(state, "sleeper") == started
    assert started.port == 1234
    assert processes.names(state) == ["sleeper"]
    assert processes.stop(state, "sleeper", clock)
    assert processes.find(state, "sleeper") is None
    assert processes.names(state) == []


def test_a_stranger_that_got_the_pid_of_a_dead_process_is_not_ours_and_is_not_killed(
    state: State, clock: SystemClock
) -> None:
    with subprocess.Popen(SLEEP) as stranger:
        state.make()
        (state.run / "gone.pid").write_text(f"{stranger.pid}\nan earlier time\n0\n")
        assert processes.find(state, "gone") is None
        assert processes.stop(state, "gone", clock)
        assert stranger.poll() is None
        stranger.kill()


def test_a_process_that_ended_by_itself_is_not_running_although_its_parent_has_not_waited(
    state: State, clock: SystemClock
) -> None:
    started = processes.start(state, "quick", [sys.executable, "-c", ""], os.environ)
    assert processes._gone(started, clock, patience=20)


def test_a_process_that_does_not_listen_is_killed_and_that_is_said(state: State, clock: SystemClock) -> None:
    started = processes.start(state, "deaf", DEAF, os.environ)
    log = state.log / "deaf.log"
    while "deaf" not in log.read_text():
        os.sched_yield()
    assert not processes.stop(state, "deaf", clock, patience=0.2)
    assert not processes.running(started)


def test_a_ctrl_c_for_the_starter_does_not_reach_the_process(state: State) -> None:
    started = processes.start(state, "sleeper", SLEEP, os.environ)
    assert os.getpgid(started.pid) == started.pid != os.getpgid(0)


@pytest.mark.parametrize("content", ["", "12", "a\nb\n"])
def test_a_damaged_pid_file_counts_as_no_process(state: State, content: str) -> None:
    state.make()
    (state.run / "odd.pid").write_text(content)
    assert processes.find(state, "odd") is None


def test_the_last_words_are_the_end_of_the_log(state: State, clock: SystemClock) -> None:
    talk = [sys.executable, "-c", "for n in range(30): print('line', n)"]
    started = processes.start(state, "talker", talk, os.environ)
    assert processes._gone(started, clock, patience=20)
    words = processes.last_words(state, "talker", lines=2)
    assert words.splitlines()[1:] == ["  line 28", "  line 29"]
    assert str(state.log / "talker.log") in words
    assert "no log" in processes.last_words(state, "nobody")


def test_postgres_and_the_emulator_may_be_asked_with_another_signal(state: State, clock: SystemClock) -> None:
    noisy = [sys.executable, "-c", "import signal; signal.pause()"]
    started = processes.start(state, "pausing", noisy, os.environ)
    assert processes.stop(state, "pausing", clock, request=signal.SIGINT)
    assert not processes.running(started)


def test_a_process_works_in_the_folder_it_is_given(state: State, clock: SystemClock, tmp_path: Path) -> None:
    started = processes.start(
        state, "where", [sys.executable, "-c", "import os; print(os.getcwd())"], os.environ, folder=tmp_path
    )
    assert processes._gone(started, clock, patience=20)
    assert (state.log / "where.log").read_text().strip() == str(tmp_path)
