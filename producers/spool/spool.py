"""A spool: a directory of lives, at most one of them open, and one producer at a time.

SPOOL/lock                      held while a producer runs
SPOOL/<ULID>/life.json          one life: who it is
mark               how far it is committed and acknowledged
<number>.segment   its entries
SPOOL/quarantine/               what is too long to travel
"""

import fcntl
import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from headrace.errors import SpoolInUse
from headrace.ops.clock import ulid_behind
from headrace.schemas.event import is_source
from producers.spool import identity as identities
from producers.spool import segment as segments
from producers.spool.budget import Budget, spool_error
from producers.spool.entry import SYNC_BYTES
from producers.spool.identity import Identity
from producers.spool.life import Life

QUARANTINE = "quarantine"
_ULID_LENGTH = 26


class Spool:
    """Opened by one producer; lives are handed to the reader (to append) and the sender (to send)."""

    def __init__(
        self,
        directory: Path,
        *,
        name: str,
        machine: str,
        new_ulid: Callable[[], str],
        budget_bytes: int,
        segment_bytes: int,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Take the lock and recover every life. Raises SpoolInUse, SpoolUnusable or SpoolFull."""
        if not is_source(f"{name}/{'0' * _ULID_LENGTH}"):
            raise ValueError(f"{name!r} cannot name a producer")
        self.directory = directory
        self.budget = Budget(budget_bytes, directory)
        self._name = name
        self._machine = machine
        self._new_ulid = new_ulid
        self._segment_bytes = segment_bytes
        self._random_bytes = random_bytes
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = _take_lock(directory)
            self.lives = [self._open(path) for path in sorted(directory.iterdir()) if is_life(path)]
        except OSError as error:
            raise spool_error(error, directory) from error
        self.budget.keep_reserve()
        for before, life in pairwise(self.lives):
            life.inherit(before.positions)

    @property
    def quarantine(self) -> Path:
        """Where the whole of what is too long to travel is kept."""
        return self.directory / QUARANTINE

    @property
    def positions(self) -> dict[str, str]:
        """How far each input has been read into this spool."""
        return self.lives[-1].positions if self.lives else {}

    def life(self) -> Life:
        """The open life; a new one is begun where there is none. Raises SpoolFull or SpoolUnusable."""
        if not self.lives or not self.lives[-1].is_open:
            try:
                self.lives.append(self._begin())
            except OSError as error:
                raise spool_error(error, self.directory) from error
        return self.lives[-1]

    def sweep(self) -> None:
        """Delete the lives that are finished, but for the last that knows how far the inputs are read."""
        for life in self.lives[:-1]:
            if life.is_finished and self.lives[-1].extent.segments:
                self._remove(life)

    def close(self) -> None:
        """Give the spool free."""
        for life in self.lives:
            life.release()
        os.close(self._lock)

    def _begin(self) -> Life:
        ulid = self._new_ulid()
        if self.lives:
            ulid = ulid_behind(self.lives[-1].directory.name, ulid)
        directory = self.directory / ulid
        directory.mkdir()
        try:
            identities.write(
                directory,
                Identity(
                    source=f"{self._name}/{ulid}",
                    machine=self._machine,
                    inode=directory.stat().st_ino,
                    sync=self._random_bytes(SYNC_BYTES),
                ),
            )
            segments.sync_directory(self.directory)
            life = self._open(directory)
        except BaseException:
            shutil.rmtree(directory)
            raise
        life.inherit(self.positions)
        return life

    def _open(self, directory: Path) -> Life:
        return Life(
            directory,
            self.budget,
            source=f"{self._name}/{directory.name}",
            machine=self._machine,
            segment_bytes=self._segment_bytes,
        )

    def _remove(self, life: Life) -> None:
        life.release()
        self.budget.add(-sum(path.stat().st_size for _, path in segments.paths(life.directory)))
        self.lives.remove(life)
        try:
            shutil.rmtree(life.directory)
        except OSError as error:
            raise spool_error(error, self.directory) from error


def is_life(path: Path) -> bool:
    """Whether a folder in a spool is a life's, by its name."""
    return len(path.name) == _ULID_LENGTH and path.is_dir()


def _take_lock(directory: Path) -> int:
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 64, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise SpoolInUse(
            f"spool {directory} is held by another producer (process {holder}): stop that one, or "
            "name another place with --spool"
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
