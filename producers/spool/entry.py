"""One entry of a spool on disk: a number, a source position and a record, every byte under a checksum.

    sync 4 | checksum of the five fields 4 | number 8 | position length 2 | record length 4 | body checksum 4
    | position | record

The sync word is random per life, so no record can imitate a header. A damaged header makes one entry
unreadable: the scan goes on at the next sync word whose header checksum holds. Numbers are consecutive, so
what is missing between two good entries is known exactly.
"""

import struct
from collections.abc import Sequence
from enum import Enum
from itertools import count
from typing import NamedTuple
from zlib import crc32

SYNC_BYTES = 4
_HEADER = struct.Struct("<4sIQHII")
_FIELDS = struct.Struct("<QHII")
_CHECKSUM = struct.Struct("<I")
HEADER_BYTES = _HEADER.size
LONGEST_POSITION = 2**16 - 1


class Entry(NamedTuple):
    """An entry as it was accepted."""

    number: int
    position: bytes
    record: bytes


class Run(NamedTuple):
    """Entries as they were accepted, numbered one after the other from `first` on."""

    first: int
    positions: list[bytes]
    records: list[bytes]

    @property
    def number(self) -> int:
        """The last number."""
        return self.first + len(self.records) - 1

    def entries(self) -> list[Entry]:
        """The entries one by one."""
        return list(map(Entry, count(self.first), self.positions, self.records))

    def after(self, number: int) -> "Run":
        """The entries with higher numbers."""
        known = max(number + 1 - self.first, 0)
        return Run(self.first + known, self.positions[known:], self.records[known:]) if known else self


class Damaged(NamedTuple):
    """What is left of an entry whose checksum failed; number 0 where its header is damaged too."""

    number: int
    raw: bytes


class Stop(Enum):
    """Why a scan ended."""

    COMPLETE = "the last entry ends where the bytes end"
    SHORT = "the bytes end within an entry"
    LOST = "no further header was found"


class Scan(NamedTuple):
    """What a stretch of bytes holds; `end` is the offset of the first byte not consumed."""

    found: list[Run | Damaged]
    end: int
    stop: Stop


def encode(sync: bytes, first: int, positions: Sequence[bytes], records: Sequence[bytes]) -> list[bytes]:
    """Pieces to join: one entry per record, numbered from `first` on."""
    bodies = map(crc32, records, map(crc32, positions))
    fields = list(map(_FIELDS.pack, count(first), map(len, positions), map(len, records), bodies))
    pieces = [sync] * (5 * len(fields))
    pieces[1::5] = map(_CHECKSUM.pack, map(crc32, fields))
    pieces[2::5] = fields
    pieces[3::5] = positions
    pieces[4::5] = records
    return pieces


def scan(block: bytes, sync: bytes, at: int = 0) -> Scan:
    """Every entry in `block` from offset `at` on, whole or damaged."""
    found: list[Run | Damaged] = []
    total = len(block)
    while at + HEADER_BYTES <= total:
        run, at = _run(block, sync, at)
        if run.records:
            found.append(run)
        elif not _has_header(block, sync, at):
            following = _next_header(block, sync, at + 1)
            if following < 0:
                return Scan(found, at, Stop.LOST)
            found.append(Damaged(0, block[at:following]))
            at = following
        else:
            stop = at + length_at(block, at)
            if stop > total:
                return Scan(found, at, Stop.SHORT)
            found.append(Damaged(number_at(block, at), block[at + HEADER_BYTES : stop]))
            at = stop
    if at == total:
        return Scan(found, at, Stop.COMPLETE)
    return Scan(found, at, Stop.SHORT if _may_be_header(block[at:], sync) else Stop.LOST)


def _run(block: bytes, sync: bytes, at: int) -> tuple[Run, int]:
    """The whole entries from `at` on, as far as each is the next number; and where they end."""
    positions: list[bytes] = []
    records: list[bytes] = []
    header_at, total = _HEADER.unpack_from, len(block)
    first = expected = number_at(block, at)
    while at + HEADER_BYTES <= total:
        word, checksum, number, position_length, record_length, body = header_at(block, at)
        start = at + HEADER_BYTES
        if word != sync or number != expected or crc32(block[at + 8 : start]) != checksum:
            break
        middle = start + position_length
        stop = middle + record_length
        if stop > total or crc32(block[start:stop]) != body:
            break
        positions.append(block[start:middle])
        records.append(block[middle:stop])
        at = stop
        expected += 1
    return Run(first, positions, records), at


def length_at(block: bytes, at: int) -> int:
    """Bytes of the entry whose good header stands at `at`; the header alone where that is cut."""
    if at + HEADER_BYTES > len(block):
        return HEADER_BYTES
    _, _, _, position_length, record_length, _ = _HEADER.unpack_from(block, at)
    return int(HEADER_BYTES + position_length + record_length)


def number_at(block: bytes, at: int) -> int:
    """The number in the good header at `at`."""
    return int(_HEADER.unpack_from(block, at)[2])


def _has_header(block: bytes, sync: bytes, at: int) -> bool:
    checksum = _CHECKSUM.pack(crc32(block[at + 8 : at + HEADER_BYTES]))
    return block[at : at + 8] == sync + checksum


def _next_header(block: bytes, sync: bytes, at: int) -> int:
    while (at := block.find(sync, at)) >= 0 and at + HEADER_BYTES <= len(block):
        if _has_header(block, sync, at):
            return at
        at += 1
    return -1


def _may_be_header(rest: bytes, sync: bytes) -> bool:
    return rest[:SYNC_BYTES] == sync[: len(rest)]
