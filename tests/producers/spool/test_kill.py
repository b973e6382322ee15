"""A kill at each step: everything that touches the disk stops at the n-th call, whatever it is."""

import os
import shutil
from pathlib import Path

import pytest

from producers.spool.entry import Entry
from producers.spool.spool import Spool
from tests.producers.spool.spools import fill, open_spool, read_all

_CALLS = (
    (os, "open"),
    (os, "pwrite"),
    (os, "fsync"),
    (os, "fdatasync"),
    (os, "ftruncate"),
    (Path, "mkdir"),
    (Path, "rename"),
    (Path, "unlink"),
    (shutil, "rmtree"),
)


class Killed(BaseException):
    """No code may go on after it."""


class Kill:
    """Lets so many calls through, and none after them."""

    def __init__(self, patch: pytest.MonkeyPatch, calls: int) -> None:
        self._left = calls
        for owner, name in _CALLS:
            patch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, real: object) -> object:
        def call(*arguments: object, **named: object) -> object:
            if not self._left:
                raise Killed
            self._left -= 1
            return real(*arguments, **named)  # type: ignore[operator]

        return call


def work(spool: Spool, committed: list[tuple[str, int]], acknowledged: list[tuple[str, int]]) -> None:
    """Two lives, several segments, acknowledgements between; every record holds its source and number."""
    for _ in range(2):
        life = spool.life()
        for _ in range(4):
            number, source = life.next_number, life.source
            fill(life, *[f"{source} {n} ".encode() * 9 for n in range(number, number + 3)], start=number - 1)
            committed += [(source, n) for n in range(number, number + 3)]
            acknowledged.append((source, number))
            life.acknowledge(number)
        life.acknowledge(life.spooled)
        acknowledged.append((life.source, life.spooled))
        life.close("the test")
        life.mark_reported()
        spool.sweep()


def test_at_no_step_is_a_committed_entry_lost_or_a_number_given_twice(tmp_path: Path) -> None:
    calls, finished = 0, False
    while not finished:
        path = tmp_path / f"killed-after-{calls}"
        committed: list[tuple[str, int]] = []
        acknowledged: list[tuple[str, int]] = []
        with pytest.MonkeyPatch.context() as patch:
            Kill(patch, calls)
            try:
                work(open_spool(path, segment_bytes=400), committed, acknowledged)
                finished = True
            except Killed:
                pass
        check(path, committed, acknowledged)
        calls += 3 if calls > 60 else 1
    assert calls > 60


def check(path: Path, committed: list[tuple[str, int]], acknowledged: list[tuple[str, int]]) -> None:
    for handle in [link for link in Path("/proc/self/fd").iterdir() if is_lock(link, path)]:
        os.close(int(handle.name))  # a killed process lets go of its lock
    open_spool(path, segment_bytes=400).close()  # killed again at once
    spool = open_spool(path, segment_bytes=400, new_ulid=lambda: f"{9:026d}")
    if spool.lives and spool.lives[-1].spooled:
        assert spool.positions == {"in": str(spool.lives[-1].spooled)}
    found: set[tuple[str, int]] = set()
    for life in spool.lives:
        for item in read_all(life, after=life.acknowledged):
            assert isinstance(item, Entry)
            assert item.record.startswith(f"{life.source} {item.number} ".encode())
            found.add((life.source, item.number))
    done = {(source, n) for source, until in acknowledged for n in range(1, until + 1)}
    assert set(committed) <= found | done
    life = spool.life()
    fresh = (life.source, life.next_number)
    assert fresh not in committed
    assert fresh not in found
    fill(life, b"after the kill")
    assert read_all(life)[-1] == Entry(fresh[1], b"in\t1", b"after the kill")
    spool.close()


def is_lock(link: Path, path: Path) -> bool:
    try:
        return link.readlink() == path / "lock"
    except OSError:
        return False
