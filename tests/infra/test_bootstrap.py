import importlib.util
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import cast

import pytest

from headrace.errors import LocalStackFailed
from infra.local import bootstrap, java, mariadb

ROOT = Path(__file__).parents[2]


class Machine:
    """Stands in for the machine: keeps set-up's commands, and makes what they would leave behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands: list[str] = []

    def run(self, command: list[str], _environ: dict[str, str]) -> None:
        self.commands.append(" ".join(command).replace(str(self.folder), "."))
        made = {"venv": ("pip", "python", "uv", "headrace")} if "-m venv" in self.commands[-1] else {}
        for program in made.get("venv", ()):
            self._make(self.folder / ".venv/bin" / program)
        if "uv pip sync" in self.commands[-1]:
            self._make(self.folder / ".venv-emulator/bin/ministack")

    def _make(self, program: Path) -> None:
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    for name in ("installer", "project", "emulator"):
        (tmp_path / f"{name}.lock").write_text(name)
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "PROJECT", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "EMULATOR", tmp_path / ".venv-emulator")
    monkeypatch.setattr(bootstrap, "LOCKS", {name: tmp_path / f"{name}.lock" for name in bootstrap.LOCKS})
    monkeypatch.setattr(bootstrap, "_run", machine.run)
    monkeypatch.setattr(java, "find", lambda _environ: java.Java(Path("/java"), 17))
    monkeypatch.setattr(mariadb, "find", lambda _environ: Path("/mariadbd"))
    return machine


def test_the_first_run_installs_both_environments_from_their_locks_by_hash(machine: Machine) -> None:
    assert bootstrap.main() == 0
    installs = [command for command in machine.commands if " sync " in command or " -r " in command]
    assert [cast("re.Match[str]", re.search(r"(\w+)\.lock", command))[1] for command in installs] == [
        "installer",
        "project",
        "emulator",
    ]
    assert all("--require-hashes" in command for command in installs)


def test_the_second_run_does_and_says_nothing(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    bootstrap.main()
    machine.commands.clear()
    capsys.readouterr()
    assert bootstrap.main() == 0
    assert machine.commands == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("changed", ["project.lock", "emulator.lock", "installer.lock", "pyproject.toml"])
def test_a_changed_lock_or_project_file_installs_again_into_the_same_environment(
    machine: Machine, changed: str
) -> None:
    bootstrap.main()
    machine.commands.clear()
    (machine.folder / changed).write_text("changed")
    assert bootstrap.main() == 0
    assert any(" sync " in command for command in machine.commands)
    assert not any("-m venv" in command for command in machine.commands)


def test_an_environment_whose_python_is_gone_is_made_anew(machine: Machine) -> None:
    bootstrap.main()
    machine.commands.clear()
    (machine.folder / ".venv/bin/python").unlink()
    assert bootstrap.main() == 0
    assert "-m venv --clear ./.venv" in machine.commands[0]


def test_a_python_without_venv_gets_one_sentence(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert bootstrap.main() == 1
    assert machine.commands == []
    assert re.fullmatch(r"setup: Python's venv module is missing: .*-venv`\.\n", capsys.readouterr().err)


def test_an_old_python_gets_one_sentence_before_anything_it_could_not_read() -> None:
    program = (
        "import sys, runpy; sys.version_info = (3, 9, 2, 'final', 0);"
        "runpy.run_module('infra.local.bootstrap', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.fullmatch(r"headrace needs Python 3\.11 or newer, and .* is 3\.9: .*\n", done.stderr)


def test_java_is_installed_with_apt_only_where_nobody_has_to_be_asked(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(_environ: object) -> java.Java:
        raise LocalStackFailed("Spark needs Java 17 or 21, and none was found: install one.")

    monkeypatch.setattr(java, "find", missing)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for name, code in (("apt-get", 0), ("sudo", 1)):  # sudo wants a password
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.main() == 1
    assert not any("apt-get" in command for command in machine.commands)
    assert capsys.readouterr().err.endswith(
        "setup: Spark needs Java 17 or 21, and none was found: install one.\n"
    )
    (tmp_path / "sudo").write_text("#!/bin/sh\nexit 0\n")
    bootstrap.main()
    assert machine.commands[-1] == "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get update -qq"


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("works", [True, False])
def test_a_machine_without_mariadb_gets_it_with_apt_or_goes_on_without(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    works: bool,
) -> None:
    def missing(_environ: object) -> Path:
        raise LocalStackFailed("MariaDB is not installed")

    calls = tmp_path / "calls"
    (tmp_path / "apt-get").write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\n[ "$1" = install ] && exit {0 if works else 100}\nexit 0\n'
    )
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setattr(mariadb, "find", missing)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert bootstrap.main() == 0
    assert calls.read_text().splitlines() == [
        "update -qq",
        "install -y -qq --no-install-recommends mariadb-server-core",
    ]
    said = capsys.readouterr().err
    assert ("only `headrace batch load-mysql` needs it" in said) is not works


@pytest.mark.parametrize("lock", bootstrap.LOCKS.values(), ids=lambda path: path.stem)
def test_a_lock_pins_every_package_by_hash_and_names_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "index" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    for entry in entries:
        assert re.match(r"[a-zA-Z0-9._-]+(\[[\w,]+\])?==", entry), entry[:80]
        assert "--hash=sha256:" in entry


def test_the_project_lock_holds_every_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["local"],
        *project["dependency-groups"]["dev"],
    ]
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE))
    matches = [cast("re.Match[str]", re.match(r"[\w.-]+", each)) for each in declared]
    names = {match[0].lower().replace("_", "-") for match in matches}
    assert names <= locked


def test_a_machine_that_is_set_up_is_left_alone_within_a_second() -> None:
    stamp = ROOT / ".venv/.headrace-setup"
    if not stamp.exists() or stamp.read_text() != bootstrap._fingerprint():
        pytest.skip("this checkout's environment was not made by `make setup`, or has changed since")
    started = time.monotonic()
    done = subprocess.run(
        ["make", "--silent", "setup", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    assert time.monotonic() - started < 1
    assert done.stdout + done.stderr == ""
