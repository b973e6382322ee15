"""The loan files below the paths that a person names: text files, zips, and folders of them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from batch_jobs.ingest.archives import Allowance, Unpacking, zipped
from batch_jobs.ingest.loan_file import LoanFile, Readable
from batch_jobs.ingest.names import READ, is_zip, loan_name
from headrace.errors import InputRefused


def loan_files(paths: Sequence[Path], unpacking: Unpacking) -> Iterator[LoanFile]:
    """Each loan file, to be read before the next is asked for; a folder's in the order of their names.

    Raises InputRefused for a path without any, and for what is wrong with a zip.
    """
    for path in paths:
        empty = True
        for file in _files(path):
            for found in _of(file, unpacking):
                empty = False
                yield found
        if empty:
            raise InputRefused(f"{path} is no loan file, and holds none; read are {READ}")


def size_of(paths: Sequence[Path]) -> int:
    """Bytes on disk of what `loan_files` reads."""
    files = (file for path in paths for file in _files(path))
    return sum(file.stat().st_size for file in files if is_zip(file.name) or loan_name(file.name, str(file)))


def _files(path: Path) -> Iterator[Path]:
    """The file, or the folder's files but for hidden ones. Raises InputRefused when there is no such path."""
    if path.is_file():
        yield path
    elif path.is_dir():
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
            shown = (Path(folder, name) for name in sorted(names) if not name.startswith((".", "_")))
            yield from (file for file in shown if file.is_file())
    else:
        raise InputRefused(f"{path} is not there, or neither file nor folder")


def _of(path: Path, unpacking: Unpacking) -> Iterator[LoanFile]:
    if is_zip(path.name):
        with _readable(path), path.open("rb") as file:
            allowance = Allowance(path.stat().st_size)
            yield from zipped(file, str(path), allowance, unpacking)
    elif name := loan_name(path.name, str(path)):
        size = path.stat().st_size
        yield LoanFile(name, str(path), path.resolve(), size, size, partial(_opened, path))
    else:
        unpacking.skipped(str(path))


@contextmanager
def _opened(path: Path) -> Iterator[Readable]:
    """A text file. Raises InputRefused when it changes while it is read, as a download does."""
    with _readable(path), path.open("rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        yield file
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputRefused(f"{path} changed while it was read: take it when it is whole")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputRefused(f"{path} cannot be read: {error}") from error
