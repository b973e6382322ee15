"""The lock on the laptop's metastore: Derby serves one process at a time, and says so badly."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from headrace.errors import BatchBusy, StorageUnusable

_PATIENCE = 30.0  # s; the Java of a killed command notices within one
_NAP = 0.1


@contextmanager
def metastore_lock(folder: Path, what: str) -> Iterator[None]:
    """Hold the metastore in `folder`, made if need be; the system frees it when the process dies.

    Raises BatchBusy, which names the holder, and StorageUnusable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _file(folder).open("a+")
    except OSError as error:
        raise StorageUnusable(f"{folder}: {error}") from error
    with file:
        if not _taken(file):
            raise BatchBusy(_held_text(folder))
        before, _ = _holder(folder)
        file.truncate(0)
        file.write(f"{os.getpid()} {what}\n")
        file.flush()
        if before != str(os.getpid()):  # else that Java is our own
            _await_derby(folder)
        yield


def is_held(folder: Path) -> bool:
    """Whether this process holds the metastore in `folder`."""
    try:
        with _file(folder).open("r+") as file:
            return not _taken(file) and _holder(folder)[0] == str(os.getpid())
    except OSError:
        return False


def _file(folder: Path) -> Path:
    return folder / "holder"


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held_text(folder: Path) -> str:
    process, what = _holder(folder)
    since = datetime.fromtimestamp(_file(folder).stat().st_mtime, UTC)
    return (
        f"{what or 'another batch command'} (process {process or '?'}, since {since:%Y-%m-%d %H:%M:%S} UTC) "
        f"holds the metastore in {folder}: wait for its end, or name another with HEADRACE_METASTORE"
    )


def _holder(folder: Path) -> tuple[str, str]:
    """The process and its command, as it wrote them."""
    process, _, what = _file(folder).read_text(errors="replace").strip().partition(" ")
    return process, what


def _await_derby(folder: Path) -> None:
    """Wait for the Java of a command that was killed: Derby locks this file as long as it is open."""
    for _ in range(int(_PATIENCE / _NAP)):
        with suppress(FileNotFoundError), (folder / "db/dbex.lck").open("r+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _nap()
                continue
        return
    raise BatchBusy(
        f"a Java process still has the metastore in {folder} open, though its command has ended: "
        "end it, or name another metastore with HEADRACE_METASTORE"
    )


def _nap() -> None:
    threading.Event().wait(_NAP)
