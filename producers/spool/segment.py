"""One segment of a life: a file of entries that opens with two copies of its header."""

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import msgspec

_MAGIC = b"\x89hrspl\x01\n"
_FRAME = struct.Struct("<II")  # length and checksum of one header copy
_SUFFIX = ".segment"
_USUAL_HEADER_BYTES, _LARGEST_HEADER_BYTES = 1 << 14, 1 << 24


class Header(msgspec.Struct, frozen=True):
    """What a reader must know before the first entry.

    `positions` holds how far each input had been read when the segment began.
    """

    source: str
    sync: bytes
    first: int
    positions: Mapping[str, str]


class Segment(NamedTuple):
    """A readable segment: `start` is the offset of its first entry, `first` that entry's number."""

    path: Path
    first: int
    start: int
    sync: bytes


def create(directory: Path, header: Header) -> Segment:
    """A new segment on disk, complete and fsynced before it appears under its name. Raises OSError."""
    body = msgspec.json.encode(header)
    opening = (_MAGIC + _FRAME.pack(len(body), crc32(body)) + body) * 2
    path = directory / f"{header.first:016d}{_SUFFIX}"
    write_durably(path, opening)
    return Segment(path, header.first, len(opening), header.sync)


def read_header(path: Path) -> tuple[Header, int] | None:
    """The header and the offset of the first entry; None when both copies are damaged."""
    for size in (_USUAL_HEADER_BYTES, _LARGEST_HEADER_BYTES):
        with path.open("rb") as file:
            block = file.read(size)
        found = _first_copy(block) or _second_copy(block)
        if found is not None or len(block) < size:
            return found
    return None


def paths(directory: Path) -> list[tuple[int, Path]]:
    """(first number by name, path) of every segment, in order."""
    return sorted((int(path.stem), path) for path in directory.glob(f"*{_SUFFIX}") if path.stem.isdecimal())


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file so that after a crash it is the old or the new one, whole. Raises OSError."""
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _first_copy(block: bytes) -> tuple[Header, int] | None:
    """Entries begin one more copy further on."""
    parsed = _parse(block, 0)
    return None if parsed is None else (parsed[0], parsed[1] * 2)


def _second_copy(block: bytes) -> tuple[Header, int] | None:
    at = 0
    while (at := block.find(_MAGIC, at + 1)) >= 0:
        parsed = _parse(block, at)
        if parsed is not None:
            return parsed[0], at + parsed[1]
    return None


def _parse(block: bytes, at: int) -> tuple[Header, int] | None:
    opening = at + len(_MAGIC)
    if block[at:opening] != _MAGIC or len(block) < opening + _FRAME.size:
        return None
    length, checksum = _FRAME.unpack_from(block, opening)
    body = block[opening + _FRAME.size :][:length]
    if len(body) != length or crc32(body) != checksum:
        return None
    return msgspec.json.decode(body, type=Header), len(_MAGIC) + _FRAME.size + length
