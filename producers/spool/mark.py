"""The mark of a life: up to where it is on disk, up to where it is acknowledged.

Two slots are written in turn, each under a checksum, so that a torn write leaves the other.
The mark is not fsynced with every commit: a kill loses nothing of it, a power cut at most makes it older, and
an older mark only sends records again. It is fsynced before a segment that it covers is deleted.
"""

import os
import struct
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

_SLOT_BYTES = 4096  # a sector or a page: no tear spans two slots
_SLOT = struct.Struct("<QQQH")
_CHECKSUM = struct.Struct("<I")
_LONGEST_POSITION = 2048


class Progress(NamedTuple):
    """Numbers up to `committed` are on disk, up to `acknowledged` with Kinesis.

    `position` is that of entry `committed`, empty where it is too long for a slot.
    """

    committed: int = 0
    acknowledged: int = 0
    position: bytes = b""


class Mark:
    """The open mark file of one life."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
        self.progress = Progress()
        self._turn = 0
        if os.fstat(self._file).st_size < 2 * _SLOT_BYTES:  # so that a full disk cannot refuse a later mark
            os.pwrite(self._file, bytes(2 * _SLOT_BYTES), 0)
        for slot in (0, 1):
            turn, progress = _read(os.pread(self._file, _SLOT_BYTES, slot * _SLOT_BYTES))
            if turn > self._turn:
                self._turn, self.progress = turn, progress

    def write(self, progress: Progress) -> None:
        """Replace the older slot."""
        self._turn += 1
        position = progress.position if len(progress.position) <= _LONGEST_POSITION else b""
        body = _SLOT.pack(self._turn, progress.committed, progress.acknowledged, len(position)) + position
        os.pwrite(self._file, _CHECKSUM.pack(crc32(body)) + body, self._turn % 2 * _SLOT_BYTES)
        self.progress = progress

    def sync(self) -> None:
        """Make the mark survive a power cut."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(path: Path) -> Progress | None:
    """What a mark says, for one who must not touch it; None when it is missing or damaged."""
    try:
        with path.open("rb") as file:
            slots = [_read(file.read(_SLOT_BYTES)) for _ in (0, 1)]
    except FileNotFoundError:
        return None
    turn, progress = max(slots, key=lambda slot: slot[0])
    return progress if turn else None


def _read(slot: bytes) -> tuple[int, Progress]:
    """(turn, progress); turn 0 where the slot is empty or damaged."""
    if len(slot) < _CHECKSUM.size + _SLOT.size:
        return 0, Progress()
    (checksum,) = _CHECKSUM.unpack_from(slot)
    turn, committed, acknowledged, length = _SLOT.unpack_from(slot, _CHECKSUM.size)
    stop = _CHECKSUM.size + _SLOT.size + length
    if crc32(slot[_CHECKSUM.size : stop]) != checksum:
        return 0, Progress()
    return turn, Progress(committed, acknowledged, slot[_CHECKSUM.size + _SLOT.size : stop])
