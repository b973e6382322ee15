"""Writes the files of one quarter, loan by loan."""

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from batch_jobs.synthetic import layouts
from batch_jobs.synthetic.book import Made, Quarter, make
from batch_jobs.synthetic.dirt import Kind, soil
from batch_jobs.synthetic.truth import BAD_LINES, LOANS, BadLine, Book, Count, FileTruth

_FAR = 5_000  # loans between a line and its far duplicate, at most
_STEP = 50  # loans between two reports
_BUFFER = 1 << 20
_ZIP_TIME = (1999, 1, 1, 0, 0, 0)  # the same for all, so that archives are the same too


class Part(msgspec.Struct, frozen=True):
    """What came of one quarter; `known` and `bad` count loans."""

    files: tuple[FileTruth, ...]
    known: int
    bad: int


class _File:
    """A file that is hashed and counted while it grows."""

    def __init__(self, folder: Path, name: str, kind: Kind = "origination") -> None:
        self.count = Count(name, kind)
        self._file = (folder / name).open("wb", buffering=_BUFFER)
        self._hash = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)

    def truth(self, vintage: str) -> FileTruth:
        return self.count.truth(vintage, self._size, self._hash.hexdigest())


class QuarterFiles:
    """The two files of a vintage, and the truth beside them, in a folder."""

    def __init__(self, book: Book, quarter: Quarter, folder: Path) -> None:
        self._book, self._quarter, self._folder = book, quarter, folder
        self._known = self._bad = 0

    def write(self, advance: Callable[[int], None]) -> Part:
        """Write them; `advance` is told every few loans, and may raise to stop."""
        vintage, folder = self._quarter.vintage, self._folder
        names = [name.format(vintage) for name in layouts.NAMES[self._book.layout]]
        with ExitStack() as files:
            originations = files.enter_context(_File(folder, names[0], "origination"))
            performance = files.enter_context(_File(folder, names[1], "performance"))
            truths = files.enter_context(_File(folder, LOANS.format(vintage)))
            bad_lines = files.enter_context(_File(folder, BAD_LINES.format(vintage)))
            for count, number in enumerate(self._quarter.loan_numbers(), start=1):
                made = make(self._book.seed, self._quarter, number)
                for file in (originations, performance):
                    bad_lines.write(_ndjson(self._write_loan(file, made)))
                performance.count.add_months(made.months, self._book.layout)
                originations.count.sums["original_upb"] += 100 * made.loan.upb
                truths.write(_ndjson([made.truth]))
                self._known += made.truth.bad is not None
                self._bad += made.truth.bad is True
                if count % _STEP == 0:
                    advance(_STEP)
            advance(count % _STEP)
        if self._book.zipped:
            _zip(folder, layouts.ARCHIVE.format(vintage), names)
        return Part((originations.truth(vintage), performance.truth(vintage)), self._known, self._bad)

    def _write_loan(self, file: _File, made: Made) -> list[BadLine]:
        """The loan's lines in this file, with bad ones among them."""
        kind, share = file.count.kind, self._book.dirty
        lines = self._lines(kind, made)
        if not share:
            file.write("".join(lines).encode("ascii"))
            return file.count.add_lines(len(lines), ())

        def earlier() -> str | None:
            before = self._quarter.before(made.loan.number, _FAR)
            if not before:
                return None
            other = make(self._book.seed, self._quarter, made.rng.choice(before))
            return made.rng.choice(self._lines(kind, other))

        mixed, bad = soil(made.rng, kind, lines, share, earlier)
        file.write("".join(mixed).encode("ascii"))
        return file.count.add_lines(len(lines), bad)

    def _lines(self, kind: Kind, made: Made) -> list[str]:
        if kind == "origination":
            return [layouts.origination(made.loan, self._book.layout, made.months)]
        return layouts.performance(made.loan, self._book.layout, made.months)


def _ndjson(told: Iterable[msgspec.Struct]) -> bytes:
    return b"".join(msgspec.json.encode(it) + b"\n" for it in told)


def _zip(folder: Path, archive: str, names: Sequence[str]) -> None:
    """Put the files into an archive of their own, as they are downloaded, in place of them."""
    with zipfile.ZipFile(folder / archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        for name in names:
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with (folder / name).open("rb") as text, out.open(entry, "w", force_zip64=True) as packed:
                while block := text.read(_BUFFER):
                    packed.write(block)
            (folder / name).unlink()
