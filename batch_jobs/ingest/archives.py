"""The loan files in a zip, and in zips within it; where their text goes, no name in a zip decides."""

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from batch_jobs.ingest.loan_file import LoanFile, Readable
from batch_jobs.ingest.names import is_zip, loan_name
from headrace.errors import InputRefused, StorageUnusable

_DEEPEST = 4  # zips in zips; the full set has three: of all, of a year, of a quarter
_MOST_GROWTH = 200  # times a zip's own size; loan files pack 10 to 30 times smaller
_ALWAYS_FINE = 64 << 20
_PIECE = 1 << 20
_ENCRYPTED = 0x41  # a member's flags, of either kind of encryption
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_DAMAGE = (  # what zipfile raises on a zip whose bytes were changed
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    ValueError,
)


class Unpacking(NamedTuple):
    """Where inner zips are kept while they are read, and who hears of members that are passed over."""

    scratch: Path
    skipped: Callable[[str], None]


class Allowance:
    """How many bytes a zip, and all within it, may unpack to."""

    def __init__(self, size: int) -> None:
        self._left = max(size * _MOST_GROWTH, _ALWAYS_FINE)

    def spend(self, count: int, place: str) -> None:
        """Raises InputRefused when it is used up."""
        self._left -= count
        if self._left < 0:
            raise InputRefused(
                f"{place} would unpack to over {_MOST_GROWTH} times the zip's size: loan files do not"
            )


def zipped(
    archive: IO[bytes], place: str, allowance: Allowance, unpacking: Unpacking, depth: int = 1
) -> Iterator[LoanFile]:
    """The loan files of an open zip, each to be read before the next is asked for.

    Raises InputRefused for a zip, or a member that is ours by its name, which cannot be read.
    """
    if depth > _DEEPEST:
        raise InputRefused(f"{place}: zips lie in each other deeper than {_DEEPEST}: no loan files do")
    with _damage(place):
        members = zipfile.ZipFile(archive)
    with members:
        for info in members.infolist():
            inside = f"{place} > {info.filename}"
            name = loan_name(info.filename, inside)
            if name is None and not is_zip(info.filename):
                if not info.filename.endswith("/"):
                    unpacking.skipped(inside)
                continue
            _check(info, inside)
            allowance.spend(info.file_size, inside)
            opened = partial(_opened, members, info, inside)
            if name is not None:
                yield LoanFile(name, inside, None, info.file_size, info.compress_size, opened)
                continue
            with _spooled(opened, unpacking.scratch) as inner:
                yield from zipped(inner, inside, allowance, unpacking, depth + 1)


def _check(info: zipfile.ZipInfo, place: str) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise InputRefused(f"{place} is encrypted: unpack it, and take the text files")
    if info.compress_type not in _METHODS:
        raise InputRefused(
            f"{place} is packed by method {info.compress_type}; only deflate is read: unpack it, and "
            "take the text files"
        )


@contextmanager
def _opened(members: zipfile.ZipFile, info: zipfile.ZipInfo, place: str) -> Iterator[Readable]:
    with _damage(place):
        stream = members.open(info)
    with stream:
        yield _Member(stream, place)


class _Member:
    """What is wrong with a zip shows when it is read."""

    def __init__(self, stream: IO[bytes], place: str) -> None:
        self._stream = stream
        self._place = place

    def read(self, size: int, /) -> bytes:
        with _damage(self._place):
            return self._stream.read(size)


@contextmanager
def _spooled(opened: Callable[[], AbstractContextManager[Readable]], scratch: Path) -> Iterator[IO[bytes]]:
    """An inner zip, which must be read in any order, in a file without a name: it goes when we go."""
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=scratch) as file:
            with opened() as member:
                while piece := member.read(_PIECE):
                    file.write(piece)
            file.flush()
            yield file
    except OSError as error:
        raise StorageUnusable(f"{scratch}: {error}") from error


@contextmanager
def _damage(place: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise InputRefused(f"{place} is damaged, or no zip: {error}") from error
