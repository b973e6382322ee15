"""Walks every byte of a spool: what is damaged, where, and which numbers it costs."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from producers.spool import identity as identities
from producers.spool import mark as marks
from producers.spool import segment as segments
from producers.spool.budget import spool_error
from producers.spool.entry import HEADER_BYTES, Damaged, Entry, Run, Stop, scan
from producers.spool.identity import Identity
from producers.spool.inspection import lives, size_of
from producers.spool.mark import Progress
from producers.spool.segment import Header, Segment
from producers.spool.spool import QUARANTINE

_PIECE_BYTES = 1 << 20


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found; `numbers` (first, last) are those that it costs.

    What is no damage is worth knowing, and heals by itself.
    """

    file: str
    what: str
    offset: int | None = None
    numbers: tuple[int, int] | None = None
    damage: bool = True


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one spool's check."""

    directory: str
    entries: int
    bytes: int
    findings: list[Finding]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged."""
        return not any(finding.damage for finding in self.findings)


def size(spool: Path) -> int:
    """About how many bytes `verify` will walk."""
    return sum(map(size_of, _files(spool)))


def verify(spool: Path, advance: Callable[[int], object] = lambda _: None) -> Verification:
    """Check one spool; `advance` hears of the bytes that are done.

    A producer may run on it: what it deletes meanwhile was sent. Raises SpoolUnusable.
    """
    checks = [_Check(life, advance) for life in lives(spool)]
    findings: list[Finding] = []
    try:
        for check in checks:
            check.life()
            findings += check.findings
        findings += _quarantine(spool / QUARANTINE, advance)
    except OSError as error:
        raise spool_error(error, spool) from error
    return Verification(
        directory=str(spool),
        entries=sum(check.entries for check in checks),
        bytes=sum(check.bytes for check in checks),
        findings=findings,
    )


class _Place(NamedTuple):
    """Where in a walk something stands."""

    path: Path
    offset: int


class _Check:
    """One life; `expected` is the number that has to come next."""

    def __init__(self, directory: Path, advance: Callable[[int], object]) -> None:
        self.findings: list[Finding] = []
        self.entries = 0
        self.bytes = 0
        self._directory = directory
        self._advance = advance
        self._expected: int | None = None
        self._debris: _Place | None = None

    def life(self) -> None:
        """Its life file, its mark, and its segments in order."""
        identity = identities.read(self._directory)
        if identity is None:
            self._find(self._directory / "life.json", "missing or damaged: the next start closes this life")
        committed = self._mark().committed
        paths = segments.paths(self._directory)
        for first, path in paths:
            try:
                block, opened = path.read_bytes(), segments.read_header(path)
            except FileNotFoundError:  # deleted since: all of it was acknowledged
                self._expected = None
                continue
            if opened is None or opened[0].first != first:
                self._find(path, "its header is damaged in both copies: its entries cannot be read", 0)
                self._expected = self._expected or first
            else:
                self._segment(path, block, opened, identity, final=path == paths[-1][1])
            self.bytes += len(block)
            self._advance(len(block))
        self._ends(paths, committed)
        if not self._directory.exists():  # all of it was sent meanwhile
            self.findings.clear()

    def _mark(self) -> Progress:
        path = self._directory / "mark"
        progress = marks.read(path)
        if progress is None and (not path.exists() or any(path.read_bytes())):
            self._find(path, "missing or damaged: records that Kinesis has may be sent again")
        return progress or Progress()

    def _segment(
        self, path: Path, block: bytes, opened: tuple[Header, int], identity: Identity | None, *, final: bool
    ) -> None:
        header, start = opened
        if block[: start // 2] != block[start // 2 : start]:
            self._find(path, "one copy of its header is damaged; the other holds", 0)
        if identity is not None and (header.source, header.sync) != (identity.source, identity.sync):
            self._find(path, f"belongs to another life, {header.source}", 0)
        self._reach(header.first, _Place(path, start), "no segment holds them")
        self._entries(Segment(path, header.first, start, header.sync), block, final=final)

    def _entries(self, segment: Segment, block: bytes, *, final: bool) -> None:
        found, end, stop = scan(block, segment.sync, segment.start)
        at = segment.start
        for run in found:
            for item in run.entries() if isinstance(run, Run) else [run]:
                self._entry(item, _Place(segment.path, at))
                at += _length(item)
        if stop is Stop.SHORT and final:
            what = "an incomplete entry at the end, which was never sent: the next start cuts it"
            self._find(segment.path, what, end, damage=False)
        elif stop is not Stop.COMPLETE:
            self._find(segment.path, f"unreadable from here to its end, {len(block) - end} bytes", end)

    def _entry(self, item: Entry | Damaged, place: _Place) -> None:
        if item.number == 0:
            self._debris = self._debris or place
            return
        self._reach(item.number, self._debris or place, "cannot be read")
        self._debris = None
        if isinstance(item, Damaged):
            self._find(place.path, "its checksum fails", place.offset, (item.number, item.number))
        else:
            self.entries += 1
        self._expected = item.number + 1

    def _reach(self, number: int, place: _Place, what: str) -> None:
        """Numbers are consecutive: say where they are not."""
        expected = self._expected
        if expected is not None and number > expected:
            self._find(place.path, what, place.offset, (expected, number - 1))
        elif expected is not None and number < expected:
            self._find(place.path, f"number {number} again, behind {expected - 1}", place.offset)
        self._expected = number

    def _ends(self, paths: list[tuple[int, Path]], committed: int) -> None:
        progress = marks.read(self._directory / "mark") or Progress()
        first = paths[0][0] if paths else self._expected
        if first is not None and first > progress.acknowledged + 1:
            self._find(self._directory, "no segment holds them", None, (progress.acknowledged + 1, first - 1))
        following = self._expected
        if following is None and not paths:
            following = progress.acknowledged + 1
        if following is not None and following <= committed:
            where = paths[-1][1] if paths else self._directory
            self._find(where, "were on disk, and are not", None, (following, committed))

    def _find(
        self,
        path: Path,
        what: str,
        offset: int | None = None,
        numbers: tuple[int, int] | None = None,
        *,
        damage: bool = True,
    ) -> None:
        self.findings.append(
            Finding(file=str(path), what=what, offset=offset, numbers=numbers, damage=damage)
        )


def _quarantine(directory: Path, advance: Callable[[int], object]) -> Iterator[Finding]:
    """A file's name is the SHA-256 of its bytes."""
    for path in sorted(directory.glob("*.raw")):
        digest = sha256()
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
                advance(len(piece))
        if digest.hexdigest() != path.stem:
            yield Finding(file=str(path), what="its bytes are not those of its name")


def _files(spool: Path) -> Iterator[Path]:
    for life in lives(spool):
        yield from (path for _, path in segments.paths(life))
    yield from (spool / QUARANTINE).glob("*.raw")


def _length(item: Entry | Damaged) -> int:
    """Bytes on disk; a damaged entry without a number carries its header in what is left of it."""
    if isinstance(item, Entry):
        return HEADER_BYTES + len(item.position) + len(item.record)
    return len(item.raw) + (HEADER_BYTES if item.number else 0)
