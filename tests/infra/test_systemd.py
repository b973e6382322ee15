"""The unit as a file: what it allows a producer, and that it fits what a producer does."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.exit_codes import WRONG_USE
from producers.sender_thread import _JOIN_SECONDS
from producers.settings import ProducerSettings

FOLDER = Path(__file__).parents[2] / "infra/systemd"
UNIT = FOLDER / "headrace-producer.service"
ANALYZE = shutil.which("systemd-analyze")

HARDENING = {
    "NoNewPrivileges": ["yes"],
    "CapabilityBoundingSet": [""],
    "AmbientCapabilities": [""],
    "DynamicUser": ["yes"],
    "StateDirectory": ["headrace"],
    "ProtectSystem": ["strict"],
    "ProtectHome": ["yes"],
    "PrivateTmp": ["yes"],
    "PrivateDevices": ["yes"],
    "PrivateUsers": ["yes"],
    "PrivateMounts": ["yes"],
    "DevicePolicy": ["closed"],
    "ProtectClock": ["yes"],
    "ProtectControlGroups": ["yes"],
    "ProtectHostname": ["yes"],
    "ProtectKernelLogs": ["yes"],
    "ProtectKernelModules": ["yes"],
    "ProtectKernelTunables": ["yes"],
    "ProtectProc": ["invisible"],
    "ProcSubset": ["pid"],
    "RemoveIPC": ["yes"],
    "RestrictAddressFamilies": ["AF_INET AF_INET6 AF_UNIX"],
    "RestrictNamespaces": ["yes"],
    "RestrictRealtime": ["yes"],
    "RestrictSUIDSGID": ["yes"],
    "LockPersonality": ["yes"],
    "MemoryDenyWriteExecute": ["yes"],
    "SystemCallArchitectures": ["native"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    "LimitCORE": ["0"],
}


def directives(path: Path) -> dict[str, list[str]]:
    """Every directive of a unit with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
        else:
            assert re.fullmatch(r"|#.*|\[\w+\]", line), line
    return found


def test_the_service_may_do_no_more_than_it_must() -> None:
    unit = directives(UNIT)
    assert {name: unit.get(name) for name in HARDENING} == HARDENING
    assert {"MemoryMax", "TasksMax", "LimitNOFILE"} <= unit.keys()


def test_a_failure_is_begun_again_but_wrong_use_is_not() -> None:
    unit = directives(UNIT)
    assert unit["Restart"] == ["on-failure"]
    assert unit["RestartPreventExitStatus"] == [str(WRONG_USE)]
    assert {"StartLimitIntervalSec", "StartLimitBurst"} <= unit.keys()


def test_there_is_time_to_drain_and_a_watchdog() -> None:
    unit = directives(UNIT)
    assert unit["Type"] == ["notify"]
    assert int(unit["TimeoutStopSec"][0]) > ProducerSettings().drain_seconds + _JOIN_SECONDS
    assert int(unit["WatchdogSec"][0]) >= 30
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_no_secret_stands_in_the_unit_and_drop_ins_load_them() -> None:
    assert "LoadCredential" not in directives(UNIT)
    assert not re.search(r"SECRET|TOKEN|PASSWORD|ACCESS_KEY", UNIT.read_text())
    drop_ins = sorted((FOLDER / "headrace-producer.service.d").iterdir())
    assert [path.suffixes for path in drop_ins] == [[".conf", ".example"]] * 2
    assert all(directives(path)["LoadCredential"] for path in drop_ins)


@pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed")
@pytest.mark.parametrize(
    "check", [["verify"], ["security", "--offline=true", "--no-pager", "--threshold=15"]], ids=lambda c: c[0]
)
def test_systemd_itself_finds_no_fault(tmp_path: Path, check: list[str]) -> None:
    unit = tmp_path / UNIT.name
    shutil.copytree(FOLDER / "headrace-producer.service.d", tmp_path / "headrace-producer.service.d")
    for example in (tmp_path / "headrace-producer.service.d").iterdir():
        example.rename(example.with_suffix(""))
    unit.write_text(UNIT.read_text().replace("/opt/headrace/bin/python", "/bin/true"))
    done = subprocess.run(
        [str(ANALYZE), *check, str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
