"""Where a line that is too long to travel is kept whole: a folder beside the spool."""

import os
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import NamedTuple

from headrace.schemas.codec import RejectCode
from headrace.schemas.records.reject import MAX_RAW_BYTES
from producers.spool.budget import spool_error
from producers.spool.segment import sync_directory

_drafts = count(1)
"""Drafts of all threads: several may be under way in one folder."""


class Kept(NamedTuple):
    """A line in quarantine: what its reject says of it. `reject_id` is that of a `too_large`."""

    head: bytes
    length: int
    sha256: str
    reject_id: str
    place: str


class Quarantine:
    """Files named by the SHA-256 of their bytes, so that keeping a line twice keeps it once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def keep(self, line: bytes) -> Kept:
        """Put a whole line there. Raises SpoolFull or SpoolUnusable."""
        draft = self.begin()
        draft.write(line)
        return draft.finish()

    def begin(self) -> "Draft":
        """A line that comes in pieces. Raises SpoolFull or SpoolUnusable."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            return Draft(self.directory / f"{next(_drafts)}.draft")
        except OSError as error:
            raise spool_error(error, self.directory) from error


class Draft:
    """One line on its way into quarantine; memory holds its head only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o640)
        self._head = b""
        self._length = 0
        self._plain = sha256()
        self._id = sha256(RejectCode.TOO_LARGE.encode() + b"\0")

    def write(self, piece: bytes) -> None:
        """Add a piece, all of it or (SpoolFull, SpoolUnusable) nothing."""
        try:
            written = 0
            while written < len(piece):
                written += os.pwrite(self._file, piece[written:], self._length + written)
        except OSError as error:
            os.ftruncate(self._file, self._length)
            raise spool_error(error, self._path.parent) from error
        self._length += len(piece)
        self._head += piece[: MAX_RAW_BYTES - len(self._head)]
        self._plain.update(piece)
        self._id.update(piece)

    def finish(self) -> Kept:
        """The line is whole: put it on disk under its name. Raises SpoolFull or SpoolUnusable."""
        digest = self._plain.hexdigest()
        place = self._path.with_name(f"{digest}.raw")
        try:
            os.fsync(self._file)
            self._path.replace(place)
            sync_directory(place.parent)
        except OSError as error:
            raise spool_error(error, self._path.parent) from error
        os.close(self._file)
        return Kept(self._head, self._length, digest, self._id.hexdigest(), str(place.resolve()))

    def discard(self) -> None:
        """The line will not come to its end."""
        os.close(self._file)
        self._path.unlink(missing_ok=True)
