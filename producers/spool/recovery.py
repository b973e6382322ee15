"""What a life's directory holds after a stop, however it came: where to go on, or why not to."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from producers.spool import identity as identities
from producers.spool import segment as segments
from producers.spool.entry import HEADER_BYTES, Damaged, Run, Stop, number_at, scan
from producers.spool.identity import Identity
from producers.spool.mark import Progress
from producers.spool.segment import Header, Segment


class Recovered(NamedTuple):
    """The state of a life on disk.

    `last` is the highest number that may have been used, `size` the bytes of the last segment that hold whole
    entries; what lies beyond was never sent. `position` is that of entry `last`, empty where it is unknown.
    `damage` says why the life must not go on.
    """

    identity: Identity
    segments: tuple[Segment, ...]
    last: int
    size: int
    position: bytes
    positions: dict[str, str]
    damage: str | None


class _Tail(NamedTuple):
    last: int
    size: int
    position: bytes
    positions: dict[str, str]
    damage: str | None


def recover(directory: Path, progress: Progress, *, source: str) -> Recovered:
    """Read a life; `source` names it where neither its life file nor a segment can. Raises OSError."""
    identity = identities.read(directory)
    readable: list[tuple[Segment, Header]] = []
    damage = None if identity else "its life file is damaged"
    for first, path in segments.paths(directory):
        found = segments.read_header(path)
        broken = found is None or found[0].first != first
        if found is not None and not broken:
            header, start = found
            readable.append((Segment(path, first, start, header.sync), header))
    if segments.paths(directory) and broken:
        damage = damage or "the header of its last segment is damaged"
    tail = _read_tail(*readable[-1]) if readable else _Tail(0, 0, b"", {}, None)
    last, position, positions = tail.last, tail.position, tail.positions
    if last < progress.committed:
        damage = damage or f"it ends at number {last}, but {progress.committed} was on disk"
        last = progress.committed
    if last == progress.committed:  # the mark knows its place, even where the entry is damaged
        position = progress.position or position
        remember(positions, [position])
    known = identity or _identity_of([header for _, header in readable], source)
    kept = tuple(segment for segment, _ in readable)
    return Recovered(known, kept, last, tail.size, position, positions, damage or tail.damage)


def remember(positions: dict[str, str], updates: Iterable[bytes]) -> None:
    r"""Move inputs on; an update is `input TAB how far`."""
    for update in updates:
        name, tab, place = update.partition(b"\t")
        if tab:
            positions[name.decode()] = place.decode()


def _read_tail(segment: Segment, header: Header) -> _Tail:
    """The last segment, entry by entry."""
    block = segment.path.read_bytes()
    found, end, stop = scan(block, segment.sync, segment.start)
    last, position, positions = segment.first - 1, b"", dict(header.positions)
    for item in found:
        last = max(last, item.number)
        position = item.positions[-1] if isinstance(item, Run) else b""
        if isinstance(item, Run):
            remember(positions, item.positions)
    damage = None
    if stop is Stop.LOST:
        damage = f"{segment.path.name} is damaged from byte {end} to its end"
    elif found and isinstance(found[-1], Damaged):
        damage = f"the last entry of {segment.path.name} is damaged"
    if stop is Stop.SHORT and end + HEADER_BYTES <= len(block):
        last = max(last, number_at(block, end) - 1)
    return _Tail(last, end, position, positions, damage)


def _identity_of(headers: list[Header], source: str) -> Identity:
    """A life file's stand-in, from what the segments say."""
    name = headers[-1].source if headers else source
    return Identity(source=name, machine="", inode=0, sync=b"")
