"""How many bytes a spool may take on its disk."""

import errno
import threading
from pathlib import Path

from headrace.errors import HeadraceError, SpoolFull, SpoolUnusable

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Budget:
    """Bytes taken and allowed, for all lives of a spool together; threads may share it."""

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self.taken = 0
        self._lock = threading.Lock()

    def require(self, size: int, directory: Path) -> None:
        """Raise SpoolFull unless `size` more bytes may be taken."""
        if self.taken + size > self.allowed:
            raise SpoolFull(
                f"spool {directory}: {self.taken:,} of {self.allowed:,} bytes are taken; the source is "
                "paused until Kinesis has accepted some"
            )

    def add(self, size: int) -> None:
        """Book bytes that were taken, or (negative) given back."""
        with self._lock:
            self.taken += size


def spool_error(error: OSError, directory: Path) -> HeadraceError:
    """What an error of the disk means: full, which passes, or unusable."""
    if error.errno in NO_ROOM:
        return SpoolFull(
            f"no room on the disk of spool {directory}: the source is paused until there is some"
        )
    return SpoolUnusable(f"spool {directory}: {error}. Mend the disk or name another place with --spool")
