import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from batch_jobs import lock
from batch_jobs.lock import is_held, metastore_lock
from headrace.errors import BatchBusy, StorageUnusable

HOLDER = """
import sys
from pathlib import Path
from batch_jobs.lock import metastore_lock
with metastore_lock(Path(sys.argv[1]), "headrace batch originations"):
    print("held", flush=True)
    sys.stdin.read()
"""
DERBY = """
import fcntl, sys
with open(sys.argv[1], "a+") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("open", flush=True)
    sys.stdin.read()
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process, and waits until it has said that it is there."""
    started: list[subprocess.Popen[bytes]] = []

    def start(text: str, path: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", text, str(path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout
        assert process.stdout.readline()
        return process

    yield start
    for process in started:
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "metastore"


def test_who_holds_it_is_named_with_what_to_do(folder: Path, start: Start) -> None:
    holder = start(HOLDER, folder)
    busy = rf"headrace batch originations \(process {holder.pid}, since \d{{4}}-.* UTC\).*HEADRACE_METASTORE"
    with pytest.raises(BatchBusy, match=busy), metastore_lock(folder, "headrace batch hql"):
        pytest.fail("two hold it")
    assert not is_held(folder)


def test_a_second_time_in_the_same_process_is_refused_too(folder: Path) -> None:
    with metastore_lock(folder, "first"):
        assert is_held(folder)
        with pytest.raises(BatchBusy, match="first"), metastore_lock(folder, "second"):
            pytest.fail("two hold it")
        assert is_held(folder)
    assert not is_held(folder)
    with metastore_lock(folder, "second"):
        assert is_held(folder)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_it_is_free_once_its_holder_is_gone(folder: Path, start: Start, end: signal.Signals) -> None:
    holder = start(HOLDER, folder)
    holder.send_signal(end)
    holder.wait()
    with metastore_lock(folder, "next"):
        assert is_held(folder)


def test_the_java_of_a_killed_command_is_waited_for(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = start(HOLDER, folder)
    (folder / "db").mkdir()
    derby = start(DERBY, folder / "db/dbex.lck")
    holder.kill()
    holder.wait()
    naps: list[int] = []

    def nap() -> None:
        naps.append(len(naps))
        if len(naps) == 3:
            derby.communicate()

    monkeypatch.setattr(lock, "_nap", nap)
    with metastore_lock(folder, "next"):
        assert derby.returncode == 0
    assert len(naps) == 3


def test_a_java_that_does_not_end_is_told(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "db").mkdir(parents=True)
    start(DERBY, folder / "db/dbex.lck")
    monkeypatch.setattr(lock, "_PATIENCE", 0.3)
    with pytest.raises(BatchBusy, match=re.escape(str(folder))), metastore_lock(folder, "next"):
        pytest.fail("Derby is open")
    assert not is_held(folder)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnusable, match="file/metastore"):
        metastore_lock(tmp_path / "file/metastore", "next").__enter__()
