"""What the spool's tests share."""

from collections.abc import Callable
from pathlib import Path

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
