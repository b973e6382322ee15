"""Writes a synthetic book, quarters in parallel; its files appear together, or not at all."""

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import msgspec

from batch_jobs.synthetic import layouts
from batch_jobs.synthetic.book import Quarter, quarters
from batch_jobs.synthetic.calendar import quarter_of, vintage_of
from batch_jobs.synthetic.layouts import Layout
from batch_jobs.synthetic.quarter_files import Part, QuarterFiles
from batch_jobs.synthetic.truth import BAD_LINES, LOANS, TRUTH, Book, Truth
from headrace.errors import SettingsError, StorageUnusable

UNFINISHED = ".unfinished"
_TICK = 0.2  # seconds between two reports
_STOP = -1  # what the shared count of loans becomes when all shall stop


class _Stopped(Exception):
    """Another process, or the person, has ended the work."""


def write(
    folder: Path,
    *,
    loans: int,
    seed: int,
    layout: Layout,
    first: str = "2005Q1",
    last: str = "2008Q4",
    dirty: float = 0.0,
    jobs: int = 1,
    zipped: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Truth:
    """Write the quarter files of a book into the folder, with the truth beside them; the truth.

    `loans` are spread evenly over the vintages `first` to `last` (`2005Q1`, or `2005`). `dirty` is the share
    of lines that have a bad copy. The same arguments give the same bytes, whatever `jobs`, the number of
    processes. `advance` is told of every few loans. The same book in the folder is left as it is, another one
    is replaced; a call that is interrupted changes nothing. Raises SettingsError and StorageUnusable.
    """
    book = Book(
        loans=loans,
        seed=seed,
        layout=layout,
        first=vintage_of(quarter_of(first)),
        last=vintage_of(quarter_of(last, last=True)),
        dirty=dirty,
        zipped=zipped,
    )
    _check(book, jobs)
    try:
        old = read(folder) if (folder / TRUTH).exists() else None
        if old is not None and old.book == book and _is_whole(folder, old):
            advance(loans)
            return old
        return _write(folder, book, jobs, advance)
    except OSError as error:
        raise StorageUnusable(f"{folder}: {error}") from error


def _write(folder: Path, book: Book, jobs: int, advance: Callable[[int], None]) -> Truth:
    unfinished = folder / UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)  # of a call that was killed
    unfinished.mkdir(parents=True)
    try:
        truth = _truth(book, _parts(book, unfinished, jobs, advance))
        _remove_book(folder)
        for file in unfinished.iterdir():
            file.replace(folder / file.name)
        (unfinished / TRUTH).write_bytes(msgspec.json.format(msgspec.json.encode(truth), indent=1) + b"\n")
        (unfinished / TRUTH).replace(folder / TRUTH)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return truth


def _is_whole(folder: Path, truth: Truth) -> bool:
    """Whether every file of the book is still there, in its length."""
    if truth.archives:
        return all((folder / name).exists() for name in truth.archives)
    files = ((folder / file.name, file.bytes) for file in truth.files)
    return all(path.exists() and path.stat().st_size == size for path, size in files)


def read(folder: Path) -> Truth:
    """The truth of the book in the folder. Raises StorageUnusable."""
    try:
        return msgspec.json.decode((folder / TRUTH).read_bytes(), type=Truth)
    except (OSError, msgspec.DecodeError) as error:
        raise StorageUnusable(f"{folder / TRUTH}: {error}") from error


def _remove_book(folder: Path) -> None:
    """Take an older book out of the folder, so that no file of it stays among those of the new one."""
    if not (folder / TRUTH).exists():
        return
    old = read(folder)
    (folder / TRUTH).unlink()
    names = {file.name for file in old.files} | set(old.archives)
    names |= {name.format(file.vintage) for file in old.files for name in (LOANS, BAD_LINES)}
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _check(book: Book, jobs: int) -> None:
    if book.loans < 1 or jobs < 1 or not 0 <= book.seed < 1 << 64 or not 0 <= book.dirty < 1:
        raise SettingsError("a book has loans >= 1, 0 <= seed < 2**64, 0 <= dirty < 1, and jobs >= 1")
    if not quarters(book):
        raise SettingsError(f"the vintages end ({book.last}) before they begin ({book.first})")


def _truth(book: Book, parts: Sequence[Part]) -> Truth:
    files = tuple(file for part in parts for file in part.files)
    archives = tuple(layouts.ARCHIVE.format(file.vintage) for file in files[::2]) if book.zipped else ()
    return Truth(
        book=book,
        known=sum(part.known for part in parts),
        bad=sum(part.bad for part in parts),
        files=files,
        archives=archives,
    )


def _parts(book: Book, folder: Path, jobs: int, advance: Callable[[int], None]) -> list[Part]:
    """What came of each quarter, in their order."""
    chosen = quarters(book)
    if jobs == 1 or len(chosen) == 1:
        return [QuarterFiles(book, quarter, folder).write(advance) for quarter in chosen]
    context = multiprocessing.get_context("spawn")
    done = context.Value("q", 0)
    pool = ProcessPoolExecutor(jobs, context, _start_worker, (done,))
    try:
        futures = [pool.submit(_work, book, quarter, folder) for quarter in chosen]
        _watch(futures, done, advance)
        return [future.result() for future in futures]
    except BaseException:
        with done.get_lock():
            done.value = _STOP
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _watch(
    futures: Sequence["Future[Part]"], done: "Synchronized[int]", advance: Callable[[int], None]
) -> None:
    """Tell how far the workers are until the last one is done, or one fails."""
    told, waiting = 0, set(futures)
    while waiting:
        ended, waiting = wait(waiting, _TICK)
        for future in ended:
            future.result()
        if (now := done.value) > told:
            advance(now - told)
            told = now


_done: "Synchronized[int]"


def _start_worker(done: "Synchronized[int]") -> None:
    """In a worker: Ctrl-C is for the parent, which stops the workers; one that loses its parent ends."""
    global _done  # noqa: PLW0603  a worker is told once, for all its quarters
    _done = done
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _work(book: Book, quarter: Quarter, folder: Path) -> Part:
    return QuarterFiles(book, quarter, folder).write(_report)


def _report(loans: int) -> None:
    with _done.get_lock():
        if _done.value == _STOP:
            raise _Stopped
        _done.value += loans
