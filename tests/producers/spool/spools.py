"""What the spool's tests share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from producers.spool import identity
from producers.spool.cursor import Cursor
from producers.spool.entry import Damaged, Entry
from producers.spool.life import Life
from producers.spool.spool import Spool

OpenSpool = Callable[..., Spool]


def fill(life: Life, *records: bytes, start: int = 0) -> None:
    """Append records of the input `in`, whose places count up, and commit."""
    life.append("in", [b"%d" % (start + n + 1) for n in range(len(records))], records)
    life.commit()


def read_all(life: Life, after: int = 0) -> list[Entry | Damaged]:
    """Everything on disk after a number."""
    cursor = Cursor(life, after)
    taken: list[Entry | Damaged] = []
    while some := cursor.take():
        taken += some
    cursor.close()
    return taken


def open_spool(directory: Path, **change: object) -> Spool:
    """A spool whose lives are named 1, 2, …"""
    settings: dict[str, object] = {
        "name": "web-7",
        "machine": "m1",
        "new_ulid": lambda: f"{len(list(directory.glob('0*'))) + 1:026d}",
        "budget_bytes": 1 << 30,
        "segment_bytes": 1 << 20,
    }
    return Spool(directory, **(settings | change))  # type: ignore[arg-type]


def copy_in_place(written: Path, path: Path) -> None:
    """A copy that its life file takes for the original: as if what happens next, happened in place."""
    shutil.copytree(written, path)
    for directory in path.glob("0*"):
        known = identity.read(directory)
        assert known is not None
        identity.write(directory, msgspec.structs.replace(known, inode=directory.stat().st_ino))


def move_to_another_machine(spool: Path) -> None:
    """As if the spool had been written on another machine."""
    for life in spool.glob("*/life.json"):
        known = identity.read(life.parent)
        assert known is not None
        identity.write(life.parent, msgspec.structs.replace(known, machine="another"))
