import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from headrace.errors import SettingsError
from stream_jobs.error_desk.daemon import Endpoints, endpoints, find_jars, properties, write_files
from stream_jobs.error_desk.settings import ErrorDeskSettings
from stream_jobs.java import find_java
from tests.producers.processes import wait_for

NOWHERE_ELSE = Endpoints(None, None)


def settings(state: Path, *, fleet: bool = False) -> ErrorDeskSettings:
    return ErrorDeskSettings(
        warehouse_url="postgresql://me:secret@127.0.0.1/x", state=str(state), fleet=fleet
    )


def given(text: str) -> dict[str, str]:
    return dict(line.split(" = ") for line in text.splitlines())


def test_one_machine_takes_leases_by_itself_and_a_fleet_has_a_leader(tmp_path: Path) -> None:
    alone = given(properties(settings(tmp_path), "eu-west-1", NOWHERE_ELSE))
    fleet = given(properties(settings(tmp_path, fleet=True), "eu-west-1", NOWHERE_ELSE))
    assert alone.pop("clientVersionConfig") == "CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X"
    assert alone == fleet


def test_endpoints_are_named_only_where_the_environment_does(tmp_path: Path) -> None:
    assert endpoints({}) == NOWHERE_ELSE
    assert "Endpoint" not in properties(settings(tmp_path), "eu-west-1", NOWHERE_ELSE)
    elsewhere = {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_DYNAMODB": "http://b"}
    told = given(properties(settings(tmp_path), "eu-west-1", endpoints(elsewhere)))
    assert (told["kinesisEndpoint"], told["dynamoDBEndpoint"]) == ("http://a", "http://b")


def test_no_file_holds_the_warehouses_password(tmp_path: Path) -> None:
    write_files(settings(tmp_path), "errors@1", "eu-west-1", NOWHERE_ELSE)
    written = [path.read_text() for path in (tmp_path / "error_desk").iterdir()]
    assert len(written) == 2
    assert not any("secret" in text for text in written)


def test_the_program_of_a_shard_runs_from_a_folder_with_blanks(tmp_path: Path) -> None:
    one = settings(tmp_path / "a state folder")
    write_files(one, "errors@1", "eu-west-1", NOWHERE_ELSE)
    ran = subprocess.run(
        ["./processor"], cwd=one.folder, env={"PATH": os.environ["PATH"]}, capture_output=True, check=False
    )
    assert ran.returncode == 2
    assert b"HEADRACE_WAREHOUSE_URL" in ran.stderr


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "error_desk").write_text("in the way")
    with pytest.raises(SettingsError, match="HEADRACE_STATE"):
        write_files(settings(tmp_path), "errors@1", "eu-west-1", NOWHERE_ELSE)


def test_the_jars_are_found_and_missing_ones_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(find_jars().glob("amazon-kinesis-client-multilang-*.jar"))
    monkeypatch.setattr("stream_jobs.error_desk.daemon.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match="amazon_kclpy"):
        find_jars()


def test_a_java_that_is_missing_or_too_new_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no Java found"):
        find_java({"PATH": str(tmp_path)})
    java = tmp_path / "bin/java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"25.0.1\"' >&2\n")
    java.chmod(0o755)
    with pytest.raises(SettingsError, match="Java 25"):
        find_java({"JAVA_HOME": str(tmp_path)})


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel promises it on Linux alone")
@pytest.mark.crash
def test_a_program_on_a_leash_dies_with_its_starter(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "stream_jobs.error_desk.leash"]
    starter = (
        f"import os, subprocess, sys; p = subprocess.Popen({program} + [str(os.getpid()), "
        f"{str(tmp_path)!r}, '/bin/sleep', '60']); print(p.pid, flush=True); p.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE) as one:
        assert one.stdout
        child = psutil.Process(int(one.stdout.readline()))
        wait_for(lambda: child.name() == "sleep")
        assert child.cwd() == str(tmp_path)
        one.kill()
    _, left = psutil.wait_procs([child], timeout=20)
    assert left == []
