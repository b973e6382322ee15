"""The raw area: texts out of zips, each under its checksum, there whole or not at all."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from batch_jobs.ingest.census import Census, take_census
from batch_jobs.ingest.loan_file import LoanFile
from batch_jobs.storage import Storage
from headrace.errors import InputRefused, StorageUnusable

_PIECE = 1 << 20
_UNFINISHED = re.compile(r"_.*\.([0-9]+)\.new")
Advance = Callable[[int], None]
Keep = Callable[[], None]


def raw_path(file: LoanFile, sha256: str) -> str:
    """Where its text lies below the storage's root."""
    return f"{_folder(file)}/{sha256}.txt"


def is_local(storage: Storage) -> bool:
    """Whether it is a folder of this machine."""
    return not storage.root.startswith("s3://")


def read_in_place(file: LoanFile, advance: Advance) -> Census:
    """Read a file that stays where it is. Raises InputRefused."""
    with file.open() as text:
        return take_census(text, file.place, advance=advance)


@contextmanager
def read_to_keep(file: LoanFile, storage: Storage, advance: Advance) -> Iterator[tuple[Census, Keep]]:
    """Read a file; within the block its text can be kept. Raises InputRefused and StorageUnusable.

    On a disk it is read once. A bucket cannot rename, so there it is read again when it is kept.
    """
    if not is_local(storage):
        census = read_in_place(file, advance)
        yield census, lambda: _upload(file, storage, census.sha256)
        return
    with _draft(Path(storage.root, _folder(file))) as draft:
        with file.open() as text:
            census = take_census(text, file.place, copy=draft.write, advance=advance)
        yield census, lambda: draft.keep(f"{census.sha256}.txt")


def sweep(storage: Storage) -> None:
    """Delete what runs that were killed left unfinished on a disk; what a live process writes stays.

    Raises StorageUnusable.
    """
    if not is_local(storage):
        return
    for folder in ("raw", "manifests"):
        for path in Path(storage.root, folder).glob("*/*/_*.new"):
            found = _UNFINISHED.fullmatch(path.name)
            if found and not _lives(int(found[1])):
                with _told(path):
                    path.unlink(missing_ok=True)


def _upload(file: LoanFile, storage: Storage, sha256: str) -> None:
    again = hashlib.sha256()
    with file.open() as text, storage.create(raw_path(file, sha256)) as kept:
        while piece := text.read(_PIECE):
            again.update(piece)
            kept.write(piece)
        if again.hexdigest() != sha256:  # raised in the block, so no object comes to be
            raise InputRefused(f"{file.place} changed while it was read: take it when it is whole")


def _folder(file: LoanFile) -> str:
    return f"raw/{file.name.kind}/{file.name.vintage}"


def _lives(process: int) -> bool:
    """Whether another process has this number: our own has written nothing yet."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class _Draft:
    """A file that gets its name at its end, under a name that Hive and Spark do not look at."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self._path = path
        self._file = file

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        with _told(self._path):
            while rest:  # a disk that is nearly full takes a part
                rest = rest[self._file.write(rest) :]

    def keep(self, name: str) -> None:
        """Give it its name, once its bytes are on the disk."""
        with _told(self._path):
            os.fsync(self._file.fileno())
            self._path.replace(self._path.with_name(name))


@contextmanager
def _draft(folder: Path) -> Iterator[_Draft]:
    path = folder / f"_draft.{os.getpid()}.new"
    with _told(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("wb", buffering=0)
    try:
        with file:
            yield _Draft(path, file)
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnusable(f"{path}: {error}") from error
