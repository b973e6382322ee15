"""One pass over a loan file: its checksum, its lines and where to split them, its fields, its losses' sign.

A line ends in a line feed; the last one may lack it. A carriage return before it, and any NUL, are bytes of
a field. An empty line is a line with one field: every line has its number, so none is passed over.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from batch_jobs.ingest.loan_file import Readable
from batch_jobs.manifest import Split
from headrace.errors import InputRefused

CHUNK = 1 << 20  # bytes read at a time, and the longest line; what numpy makes of it stays in the cache
SPLIT = 32 << 20
_LINE_FEED, _BAR, _ZERO = 0x0A, 0x7C, 0x30
_SAMPLE = 20  # lines of each chunk whose loan id is looked at
_ID = rb"(?:[FA]([0-9]{2}Q[1-4])[0-9]{7}|[FA]1([0-9]{2}Q[1-4])[0-9]{6})"
_ID_FIRST = re.compile(_ID + rb"\|")
_ID_TWENTIETH = re.compile(rb"(?:[^|]*\|){19}" + _ID + rb"\|")
_CODE, _LOSS = 9, 22  # columns of a performance file: the zero balance code, and the actual loss
_WITH_LOSS = (2, 3, 9, 15)

Places = npt.NDArray[np.intp]


class Lines(NamedTuple):
    """How many lines have so many fields, and the number of the first of them."""

    rows: int
    first: int


class Census:
    """Is told a file in whole lines, by `add`, and knows then what is in it."""

    def __init__(self, split: int = SPLIT) -> None:
        self._split = split
        self._sha256 = hashlib.sha256()
        self.bytes = self.rows = 0
        self.splits: list[Split] = []
        self.field_counts: dict[int, Lines] = {}
        self.ids_first: dict[str, int] = {}  # quarter in the loan id -> sampled lines that begin with one
        self.ids_twentieth: dict[str, int] = {}  # the same, for lines with one in column 20
        self.sampled = 0
        self.losses_positive = self.losses_negative = 0
        self.last_is_open = False
        self.last_field_count = 0

    @property
    def sha256(self) -> str:
        """The checksum of all bytes so far."""
        return self._sha256.hexdigest()

    def add(self, lines: bytes) -> None:
        """Count whole lines; only the last of the file may lack its line end."""
        self._sha256.update(lines)
        self.last_is_open = not lines.endswith(b"\n")
        text = np.frombuffer(lines + b"\n" if self.last_is_open else lines, np.uint8)
        marks = np.flatnonzero((text == _BAR) | (text == _LINE_FEED))
        ends = np.flatnonzero(text[marks] == _LINE_FEED)
        counts = np.diff(ends, prepend=-1)
        self._count_fields(counts)
        self._sample(lines, marks[ends])
        self._count_losses(lines, text, marks, ends[counts >= _LOSS] - counts[counts >= _LOSS] + 1)
        self._extend_splits(len(lines), len(ends))

    def _count_fields(self, counts: Places) -> None:
        self.last_field_count = int(counts[-1])
        found = np.bincount(counts)
        for fields in np.flatnonzero(found).tolist():
            known = self.field_counts.get(fields)
            first = known.first if known else self.rows + 1 + int(np.argmax(counts == fields))
            rows = known.rows if known else 0
            self.field_counts[fields] = Lines(rows + int(found[fields]), first)

    def _sample(self, lines: bytes, ends: Places) -> None:
        start = 0
        for end in ends[:_SAMPLE].tolist():
            self.sampled += 1
            for pattern, ids in ((_ID_FIRST, self.ids_first), (_ID_TWENTIETH, self.ids_twentieth)):
                if found := pattern.match(lines, start, end):
                    quarter = (found[1] or found[2]).decode()
                    ids[quarter] = ids.get(quarter, 0) + 1
            start = end + 1

    def _count_losses(self, lines: bytes, text: npt.NDArray[np.uint8], marks: Places, firsts: Places) -> None:
        """Of lines whose first mark is `firsts`: an ending with a loss that is not blank, by its sign."""
        before = marks[firsts + _CODE - 2]
        two = marks[firsts + _CODE - 1] - before == len("|02")
        firsts, before = firsts[two], before[two]
        tens, units = (text[before + place].astype(np.int16) - _ZERO for place in (1, 2))
        for first in firsts[np.isin(10 * tens + units, _WITH_LOSS)].tolist():
            loss = _amount(lines[marks[first + _LOSS - 2] + 1 : marks[first + _LOSS - 1]])
            self.losses_positive += loss > 0
            self.losses_negative += loss < 0

    def _extend_splits(self, size: int, rows: int) -> None:
        """Add to the last split, or begin one behind it when it is long enough."""
        last = self.splits[-1] if self.splits else Split(0, 0, 1, 0)
        if last.end - last.start >= self._split:
            self.splits.append(Split(self.bytes, self.bytes + size, self.rows + 1, rows))
        else:
            self.splits[-1:] = [Split(last.start, last.end + size, last.first_line, last.rows + rows)]
        self.bytes += size
        self.rows += rows


def take_census(
    file: Readable,
    place: str,
    *,
    copy: Callable[[bytes], object] = lambda _: None,
    advance: Callable[[int], None] = lambda _: None,
    split: int = SPLIT,
    chunk: int = CHUNK,
) -> Census:
    """Read a file to its end; `copy` is handed its bytes, `advance` their number.

    Raises InputRefused when a line does not end within two chunks, and what reading raises.
    """
    census = Census(split)
    for lines in whole_lines(file, place, chunk):
        census.add(lines)
        copy(lines)
        advance(len(lines))
    return census


def whole_lines(file: Readable, place: str, chunk: int) -> Iterator[bytes]:
    """A file in pieces of whole lines. Raises InputRefused when a line does not end within two chunks."""
    rest, at = b"", 0
    while piece := file.read(chunk):
        cut = piece.rfind(b"\n") + 1
        if cut:
            yield rest + piece[:cut]
            at += len(rest) + cut
            rest = piece[cut:]
        else:
            rest += piece
        if len(rest) > chunk:
            raise InputRefused(f"{place} is no loan file: no line ends within {chunk:,} bytes of byte {at:,}")
    if rest:
        yield rest


def _amount(text: bytes) -> float:
    """An amount; 0 for what is none."""
    try:
        return float(text)
    except ValueError:
        return 0.0
