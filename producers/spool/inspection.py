"""What spools hold, for an operator: read from their files, without touching them or who runs on them."""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from headrace.errors import SettingsError, SpoolUnusable
from producers.spool import mark as marks
from producers.spool import segment as segments
from producers.spool.budget import spool_error
from producers.spool.cursor import Cursor
from producers.spool.entry import Damaged
from producers.spool.identity import this_machine
from producers.spool.life import Extent
from producers.spool.mark import Progress
from producers.spool.recovery import recover
from producers.spool.spool import QUARANTINE, is_life

_TRIES = 5  # a producer that runs may delete what is being read


class LifeReport(msgspec.Struct, frozen=True, kw_only=True):
    """One life.

    `first` to `last` are the numbers on disk (none where `first` is the larger), those above `acknowledged`
    wait; `here`: this is the machine and the folder that it was born in; `closed` says why it gives no more
    numbers, `damage` why the next start will close it; `oldest_waiting` is the event time of the first record
    that waits. `bytes` are those of its segments.
    """

    source: str
    ulid: str
    state: Literal["open", "closed", "reported"]
    closed: str | None
    here: bool
    first: int
    last: int
    acknowledged: int
    waiting: int
    segments: int
    bytes: int
    oldest_waiting: datetime | None
    positions: dict[str, str]
    damage: str | None


class SpoolReport(msgspec.Struct, frozen=True, kw_only=True):
    """One spool; `held_by` is the process that runs on it."""

    directory: str
    held_by: int | None
    waiting: int
    bytes: int
    lives: list[LifeReport]
    quarantine_files: int
    quarantine_bytes: int


class Still:
    """A life as it was at one moment; what came later is not in it."""

    def __init__(self, directory: Path) -> None:
        """Raises OSError: FileNotFoundError also when a producer deletes what is being read."""
        self.directory = directory
        before = marks.read(directory / "mark") or Progress()
        self.recovered = recover(directory, before, source=f"unknown/{directory.name}")
        self.extent = Extent(self.recovered.last, self.recovered.segments, self.recovered.size)
        self.acknowledged = (marks.read(directory / "mark") or Progress()).acknowledged

    @property
    def source(self) -> str:
        """The source of its records."""
        return self.recovered.identity.source

    @property
    def first(self) -> int:
        """The first number that is on disk, or would be."""
        return self.extent.segments[0].first if self.extent.segments else self.extent.last + 1


def spools(directory: Path) -> list[Path]:
    """The spools in a folder and below it, in order of their names. Raises SettingsError when it has none."""
    found = sorted(_spools(directory))
    if not found:
        raise SettingsError(f"{directory} holds no spool: name the folder that HEADRACE_SPOOL names")
    return found


def lives(spool: Path) -> list[Path]:
    """The folders of a spool's lives, the oldest first."""
    return sorted(path for path in spool.iterdir() if is_life(path))


def still(life: Path) -> Still | None:
    """A life as it is now; None when a producer has just deleted it. Raises SpoolUnusable."""
    for _ in range(_TRIES):
        try:
            return Still(life)
        except FileNotFoundError:
            if not life.exists():
                return None
        except OSError as error:
            raise spool_error(error, life.parent) from error
    raise SpoolUnusable(f"spool {life.parent}: {life.name} changes faster than it can be read; try again")


def inspect(spool: Path) -> SpoolReport:
    """What a spool holds. Raises SpoolUnusable."""
    found = [_life(life) for life in map(still, lives(spool)) if life is not None]
    kept = [size_of(path) for path in (spool / QUARANTINE).glob("*.raw")]
    return SpoolReport(
        directory=str(spool),
        held_by=holder(spool),
        waiting=sum(life.waiting for life in found),
        bytes=sum(life.bytes for life in found),
        lives=found,
        quarantine_files=len(kept),
        quarantine_bytes=sum(kept),
    )


def holder(spool: Path) -> int | None:
    """The process that holds a spool, as the kernel knows it; None when none does.

    The lock itself is not tried: a producer that starts at that moment must find it free.
    Source: proc_locks(5).
    """
    try:
        lock = (spool / "lock").stat()
        said = (spool / "lock").read_text(encoding="ascii", errors="replace").strip()
        table = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return None
    device = f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}"
    for line in table.splitlines():
        _, kind, _, _, process, place, *_ = line.split()
        where, _, inode = place.rpartition(":")
        # Some file systems show another device there than to stat(2).
        if kind == "FLOCK" and inode == str(lock.st_ino) and (where == device or process == said):
            return int(process)
    return None


def _spools(directory: Path) -> Iterator[Path]:
    try:
        inside = [path for path in directory.iterdir() if path.is_dir() or path.name == "lock"]
    except NotADirectoryError:
        return
    except OSError as error:
        raise SettingsError(f"{directory} cannot be read: {error.strerror}") from error
    if any(is_life(path) or path.name == "lock" for path in inside):
        yield directory
    for path in inside:
        if path.name not in ("lock", QUARANTINE) and not is_life(path) and not path.is_symlink():
            yield from _spools(path)


def _life(life: Still) -> LifeReport:
    identity = life.recovered.identity
    return LifeReport(
        source=identity.source,
        ulid=life.directory.name,
        state="reported" if identity.reported else "closed" if identity.closed else "open",
        closed=identity.closed,
        here=identity.lives_in(life.directory, this_machine()),
        first=life.first,
        last=life.extent.last,
        acknowledged=life.acknowledged,
        waiting=max(life.extent.last - life.acknowledged, 0),
        segments=len(life.extent.segments),
        bytes=sum(size_of(path) for _, path in segments.paths(life.directory)),
        oldest_waiting=_oldest_waiting(life),
        positions=life.recovered.positions,
        damage=life.recovered.damage,
    )


def size_of(path: Path) -> int:
    """Bytes of a file; 0 when a producer has just deleted it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class _Timed(msgspec.Struct):
    time: datetime


def _oldest_waiting(life: Still) -> datetime | None:
    """None also where the record cannot be read."""
    cursor = Cursor(life, life.acknowledged)
    try:
        items = cursor.take()
        if not items or isinstance(items[0], Damaged):
            return None
        return msgspec.json.decode(items[0].record, type=_Timed).time
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    finally:
        cursor.close()
