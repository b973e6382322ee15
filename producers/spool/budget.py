"""How many bytes a spool may take on its disk."""

import errno
import threading
from pathlib import Path

from headrace.errors import HeadraceError, SpoolFull, SpoolUnusable

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_RESERVE_BYTES = 1 << 16


class Budget:
    """Bytes taken and allowed, for all lives of a spool together; threads may share it.

    A small reserve file is kept on the disk: giving it up lets a new segment begin on a disk that is full to
    the last byte, after which the old one can be deleted.
    """

    def __init__(self, allowed: int, directory: Path) -> None:
        self.allowed = allowed
        self.taken = 0
        self._directory = directory
        self._reserve = directory / "reserve"
        self._lock = threading.Lock()

    def require(self, size: int) -> None:
        """Raise SpoolFull unless `size` more bytes may be taken."""
        if not self.has_room(size):
            raise SpoolFull(
                f"spool {self._directory}: {self.taken:,} of {self.allowed:,} bytes are taken; the source is "
                "paused until Kinesis has accepted some"
            )

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes may be taken."""
        return self.taken + size <= self.allowed

    def add(self, size: int) -> None:
        """Book bytes that were taken, or (negative) given back."""
        with self._lock:
            self.taken += size

    def keep_reserve(self) -> None:
        """Have the reserve, if there is room for it."""
        if not self._reserve.exists():
            try:
                self._reserve.write_bytes(bytes(_RESERVE_BYTES))
            except OSError:  # no room: it was given up, or never was
                self.give_up_reserve()

    def give_up_reserve(self) -> None:
        """Make a little room."""
        self._reserve.unlink(missing_ok=True)


def spool_error(error: OSError, directory: Path) -> HeadraceError:
    """What an error of the disk means: full, which passes, or unusable."""
    if error.errno in NO_ROOM:
        return SpoolFull(
            f"no room on the disk of spool {directory}: the source is paused until there is some"
        )
    return spool_unusable(error, directory)


def spool_unusable(error: OSError, directory: Path) -> SpoolUnusable:
    """Where going on could harm what is on disk, whatever the error of the disk."""
    return SpoolUnusable(f"spool {directory}: {error}. Mend the disk or name another place with --spool")
