"""Rotation as it happens: a writer in a process of its own, on real time, while the source reads."""

import multiprocessing
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.ops.clock import SystemClock
from tests.producers.following import Following

_PATIENCE = 60.0


def _lines(number: int, count: int) -> list[bytes]:
    return [b"log %d line %d" % (number, n) for n in range(count)]


def _shift(log: Path, keep: int) -> None:
    for n in range(keep, 0, -1):
        old = log.with_name(f"{log.name}.{n}")
        if old.exists():
            old.rename(log.with_name(f"{log.name}.{n + 1}"))


def _write_and_rename(log: Path) -> None:
    """Ten rotations a second; each third leaves a line unended, which is ended in the renamed file."""
    file = log.open("ab", buffering=0)
    for n, line in enumerate(_lines(0, 3000)):
        if n % 100 == 99:
            file.write(line[:7])
            _shift(log, 40)
            log.rename(log.with_name(f"{log.name}.1"))
            file.write(line[7:] + b"\n")
            file.close()
            file = log.open("ab", buffering=0)
            time.sleep(0.1)
        else:
            file.write(line + b"\n")
    file.close()


def _write_and_copytruncate(log: Path) -> None:
    """The writer rests while its file is copied and truncated: else the copying itself would lose lines."""
    with log.open("ab", buffering=0) as file:
        for n, line in enumerate(_lines(0, 3000)):
            file.write(line + b"\n")
            if n % 100 == 99:
                _shift(log, 40)
                shutil.copy(log, log.with_name(f"{log.name}.1"))
                file.truncate(0)
                time.sleep(0.05)


def _write_many(log: Path) -> None:
    """200 logs, every one rotated twice."""
    for n in range(30):
        for number in range(200):
            path = log.with_name(f"{number}.log")
            if n in (10, 20):
                _shift(path, 2)
                path.rename(path.with_name(f"{path.name}.1"))
            with path.open("ab", buffering=0) as file:
                file.write(_lines(number, 30)[n] + b"\n")


@pytest.mark.crash
@pytest.mark.parametrize("restarts", [False, True], ids=["running", "stopped-again-and-again"])
@pytest.mark.parametrize(
    ("write", "pattern", "expected"),
    [
        (_write_and_rename, "a.log", _lines(0, 3000)),
        (_write_and_rename, "a.log*", _lines(0, 3000)),
        (_write_and_copytruncate, "a.log", _lines(0, 3000)),
        (_write_many, "*.log", [line for number in range(200) for line in _lines(number, 30)]),
    ],
    ids=["ten-rotations-a-second", "a-glob-of-rotated-names", "copytruncate", "200-files"],
)
def test_every_line_comes_once_while_the_writer_rotates(
    tmp_path: Path, write: Callable[[Path], None], pattern: str, expected: list[bytes], *, restarts: bool
) -> None:
    log = tmp_path / "logs" / "a.log"
    log.parent.mkdir()
    log.touch()
    (tmp_path / "state").mkdir()
    following = Following(tmp_path / "state", SystemClock(), log.parent / pattern)
    writer = multiprocessing.get_context("fork").Process(target=write, args=(log,))
    writer.start()
    deadline = time.monotonic() + _PATIENCE
    steps = 0
    while len(following.lines) < len(expected) and time.monotonic() < deadline:
        steps += 1
        following.read(3)
        if restarts and steps % 7 == 0:
            following.restart()
        else:
            following.commit()
        time.sleep(0.005)  # as the reader does when there is nothing
    writer.join()
    following.read(50)
    following.commit()
    following.close()
    assert sorted(following.lines) == sorted(expected)
