import subprocess
from pathlib import Path

import pytest

from headrace.errors import LocalStackFailed
from infra.local.state import State


def test_wiping_removes_what_the_stack_wrote_and_nothing_else(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.make()
    ours = (state.emulator, state.postgres, state.spool / "deep", state.checkpoint, state.cache)
    for folder in (*ours, state.delivery, state.error_desk):
        folder.mkdir(parents=True)
    state.write_env({"A": "1"})
    state.postgres_password.write_text("secret")
    foreign = tmp_path / "letters" / "to a friend.txt"
    foreign.parent.mkdir()
    foreign.write_text("dear friend")
    state.wipe()
    assert list(tmp_path.iterdir()) == [foreign.parent]
    assert foreign.read_text() == "dear friend"


def test_the_env_file_is_read_alike_by_a_shell_and_by_us_and_is_for_its_owner_only(tmp_path: Path) -> None:
    state = State(tmp_path)
    values = {"PLAIN": "x", "ODD": 'it\'s $HOME `and` "more"', "EMPTY": ""}
    state.write_env({"OLD": "1"})
    state.write_env(values)
    assert state.read_env() == values
    assert state.env.stat().st_mode & 0o077 == 0
    script = f'. "{state.env}"; printf "%s|%s|%s|%s" "$PLAIN" "$ODD" "$EMPTY" "${{AWS_PROFILE-none}}"'
    shell = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=True, env={"AWS_PROFILE": "production"}
    )
    assert shell.stdout == f"x|{values['ODD']}||none"


def test_there_is_no_env_before_the_first_up(tmp_path: Path) -> None:
    assert State(tmp_path).read_env() == {}


def test_a_second_command_at_the_same_work_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    state = State(tmp_path)
    with state.exclusive():
        with pytest.raises(LocalStackFailed, match="another headrace command"), state.exclusive():
            pytest.fail("two at once")
        with state.exclusive("other work"):
            pass
    with state.exclusive():
        pass
