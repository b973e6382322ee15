"""What each shard's process says of itself, in a small file that the launcher reads."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from headrace.ops.clock import Clock

_EVERY = 2.0  # seconds between two writings while nothing changes


class ShardStatus(msgspec.Struct, kw_only=True):
    """One shard.

    Attributes:
        process: the pid of its process, whose counts begin at 0.
        trouble: what keeps it from going on; '' while nothing does.
        halted: trying again cannot help, and the process has ended.
        merged: records whose merge this process has committed.
        last_merge: when it last did.
        behind_ms: how far the shard's end is ahead of what has been read.
        at: when this was written.
    """

    shard: str
    process: int
    at: datetime
    trouble: str = ""
    halted: bool = False
    merged: int = 0
    last_merge: datetime | None = None
    behind_ms: int = 0


class StatusFile:
    """One shard's file; a disk that cannot be written stops nothing."""

    def __init__(self, folder: Path, shard: str, process: int, clock: Clock) -> None:
        self._path = folder / f"{shard}.json"
        self._clock = clock
        self._written = clock.monotonic()
        self._status = ShardStatus(shard=shard, process=process, at=clock.now())
        self._write()

    def trouble(self, text: str) -> None:
        """What keeps the shard from going on; '' when it is over."""
        if text or self._status.trouble:
            self._status.trouble = text
            self._write()

    def failed(self, why: str, *, for_good: bool) -> None:
        """The process ends; `for_good` when another one will fare no better."""
        self._status.halted = for_good
        self.trouble(why)

    def merged(self, records: int) -> None:
        """So many more records are in the warehouse."""
        self._status.merged += records
        self._status.last_merge = self._clock.now()
        self._write()

    def behind(self, milliseconds: int) -> None:
        """How far the shard's end is ahead; also the sign of life while nothing arrives."""
        self._status.behind_ms = milliseconds
        if self._clock.monotonic() - self._written >= _EVERY:
            self._write()

    def remove(self) -> None:
        """The shard is another's now, or ended."""
        self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        self._written = self._clock.monotonic()
        self._status.at = self._clock.now()
        new = self._path.with_suffix(".new")
        try:
            new.write_bytes(msgspec.json.encode(self._status))
            new.replace(self._path)
        except OSError:
            return


def read_all(folder: Path) -> Iterator[ShardStatus]:
    """Every shard's status, by shard."""
    for path in sorted(folder.glob("*.json")):
        try:
            yield msgspec.json.decode(path.read_bytes(), type=ShardStatus)
        except (OSError, msgspec.DecodeError):
            continue  # removed meanwhile


def forget_all(folder: Path) -> None:
    """Before a start: what the former processes said counts no longer."""
    for path in folder.glob("*.json"):
        path.unlink(missing_ok=True)
