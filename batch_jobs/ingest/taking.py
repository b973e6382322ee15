"""Taking loan files: each is read once, judged, kept where it must be, and written down in a manifest.

A file is known by its checksum. The raw text is in its place before its manifest is written, so a run that
is killed leaves nothing that counts, and the same call again does what is left to do.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import msgspec

from batch_jobs.ingest.archives import Unpacking
from batch_jobs.ingest.census import Census
from batch_jobs.ingest.finding import loan_files
from batch_jobs.ingest.loan_file import LoanFile
from batch_jobs.ingest.raw_area import is_local, raw_path, read_in_place, read_to_keep, sweep
from batch_jobs.ingest.verdict import Verdict, judge
from batch_jobs.manifest import Input, inputs, partition_of, write_input
from batch_jobs.storage import Storage
from headrace.errors import InputRefused
from headrace.ops.clock import Clock


class Outcome(StrEnum):
    """What taking a file came to."""

    NEW = "new"
    REDELIVERED = "re-delivered"  # another content for a vintage that was taken: conversion takes this one
    KNOWN = "taken already"
    SUPERSEDED = "taken already, and superseded"  # by a re-delivery, which stays the one that is converted
    FOUND_AGAIN = "found again"  # known, and no longer where it was: now it is here


class Taken(msgspec.Struct, frozen=True):
    """One file: `input` as it was first taken; `odd_rows` have not its layout's number of fields."""

    input: Input
    outcome: Outcome
    place: str
    odd_rows: int


def ingest(
    paths: Sequence[Path],
    storage: Storage,
    clock: Clock,
    *,
    advance: Callable[[int], None] = lambda _: None,
    skipped: Callable[[str], None] = lambda _: None,
    scratch: Path | None = None,
    dry_run: bool = False,
) -> list[Taken]:
    """Take every loan file below the paths; see `take`."""
    return list(
        take(paths, storage, clock, advance=advance, skipped=skipped, scratch=scratch, dry_run=dry_run)
    )


def take(
    paths: Sequence[Path],
    storage: Storage,
    clock: Clock,
    *,
    advance: Callable[[int], None] = lambda _: None,
    skipped: Callable[[str], None] = lambda _: None,
    scratch: Path | None = None,
    dry_run: bool = False,
) -> Iterator[Taken]:
    """Take one loan file after the other, each done when it is told.

    `advance` hears of bytes on disk that are read, `skipped` of files that are none of ours; zips in zips are
    unpacked in `scratch`. A dry run reads and judges, and changes nothing.
    Raises InputRefused at the first file that cannot be taken, and StorageUnusable.
    """
    if not dry_run:
        sweep(storage)
    taker = _Taker(storage, clock, dry_run=dry_run)
    for file in loan_files(paths, Unpacking(scratch or Path(tempfile.gettempdir()), skipped)):
        yield taker.take(file, _scaled(file, advance))


class _Taker:
    """What was taken so far, in this run or before it."""

    def __init__(self, storage: Storage, clock: Clock, *, dry_run: bool) -> None:
        self._storage = storage
        self._clock = clock
        self._dry_run = dry_run
        self._taken_now: set[str] = set()  # a dry run's files are nowhere
        self._known = {
            entry.sha256: entry for kind in ("origination", "performance") for entry in inputs(storage, kind)
        }

    def take(self, file: LoanFile, advance: Callable[[int], None]) -> Taken:
        """Raises InputRefused and StorageUnusable."""
        self._refuse_double(file)
        if self._dry_run or not self._is_held(file):
            census = read_in_place(file, advance)
            return self._write_down(file, census, keep=lambda: None)
        with read_to_keep(file, self._storage, advance) as (census, keep):
            return self._write_down(file, census, keep)

    def _write_down(self, file: LoanFile, census: Census, keep: Callable[[], None]) -> Taken:
        verdict = judge(census, file.name, file.place)
        known = self._known.get(census.sha256)
        if known is None:
            entry, outcome = self._entry(file, census, verdict)
        elif not self._is_there(known):
            path = self._path(file, known.sha256)
            entry = msgspec.structs.replace(known, path=path, held=self._is_held(file))
            outcome = Outcome.FOUND_AGAIN
        else:
            newest = max(self._of(known), key=lambda entry: entry.taken_at)
            outcome = Outcome.KNOWN if newest is known else Outcome.SUPERSEDED
            return Taken(known, outcome, file.place, verdict.odd_rows)
        if not self._dry_run:
            keep()
            write_input(self._storage, entry)
        self._known[entry.sha256] = entry
        self._taken_now.add(entry.sha256)
        return Taken(entry, outcome, file.place, verdict.odd_rows)

    def _entry(self, file: LoanFile, census: Census, verdict: Verdict) -> tuple[Input, Outcome]:
        entry = Input(
            kind=file.name.kind,
            vintage=file.name.vintage,
            layout=verdict.layout,
            losses=verdict.losses,
            name=file.name.name,
            path=self._path(file, census.sha256),
            held=self._is_held(file),
            sha256=census.sha256,
            bytes=census.bytes,
            rows=census.rows,
            splits=tuple(census.splits),
            taken_at="",
        )
        earlier = [known.taken_at for known in self._of(entry)]
        entry = msgspec.structs.replace(entry, taken_at=_behind(earlier, self._clock.now()))
        return entry, Outcome.REDELIVERED if earlier else Outcome.NEW

    def _refuse_double(self, file: LoanFile) -> None:
        """A year's sample holds loans of its quarters: one or the other, or they count twice."""
        year, quarter = partition_of(file.name.vintage)
        for entry in self._known.values():
            its_year, its_quarter = partition_of(entry.vintage)
            if its_year == year and (its_quarter == 0) != (quarter == 0):
                raise InputRefused(
                    f"{file.place}: {entry.name} was taken, and a year's sample holds loans of its quarters: "
                    "they would count twice; take one of the two into a root of its own (HEADRACE_BATCH_ROOT)"
                )

    def _of(self, entry: Input) -> list[Input]:
        """What is known of the same kind and vintage."""
        return [
            known
            for known in self._known.values()
            if (known.kind, known.vintage) == (entry.kind, entry.vintage)
        ]

    def _is_held(self, file: LoanFile) -> bool:
        """Whether its text is ours to keep: out of a zip always, and all of it where the root is a bucket."""
        return file.path is None or not is_local(self._storage)

    def _path(self, file: LoanFile, sha256: str) -> str:
        return raw_path(file, sha256) if self._is_held(file) else str(file.path)

    def _is_there(self, entry: Input) -> bool:
        if entry.sha256 in self._taken_now:
            return True
        if entry.held:
            return self._storage.exists(entry.path) and self._storage.size(entry.path) == entry.bytes
        path = Path(entry.path)
        return path.is_file() and path.stat().st_size == entry.bytes


def _behind(earlier: Sequence[str], now: datetime) -> str:
    """Now, or right behind the latest of the earlier times, as when the clock was put back."""
    if earlier and now <= (latest := datetime.fromisoformat(max(earlier))):
        now = latest + timedelta(microseconds=1)
    return f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"


def _scaled(file: LoanFile, advance: Callable[[int], None]) -> Callable[[int], None]:
    """`advance`, told of text in bytes of the zip that holds it."""
    read = told = 0

    def scaled(count: int) -> None:
        nonlocal read, told
        read += count
        now = read * file.packed // max(file.size, 1)
        advance(now - told)
        told = now

    return scaled
