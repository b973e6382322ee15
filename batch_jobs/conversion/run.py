"""From an input to a partition of its table: the tasks, the check that nothing was dropped, and the commit.

Until the catalog names its folder a partition does not count, and what a run left there that was killed is
removed by the next. The folder that it named before stays, for readers that still have it open.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import NamedTuple, Protocol

from msgspec.structs import replace
from pyspark.sql import SparkSession

from batch_jobs.conversion.cluster import on_cluster
from batch_jobs.conversion.pieces import Done, Job, convert, pieces
from batch_jobs.conversion.reading import TABLES
from batch_jobs.conversion.sorting import ROWS, reject_repeated, sort
from batch_jobs.hive import Catalog
from batch_jobs.manifest import (
    OUTPUT_MANIFEST,
    DataFile,
    Input,
    Kind,
    Output,
    inputs,
    partition_of,
    read_output,
    write_output,
)
from batch_jobs.storage import Storage
from headrace.errors import InputRefused, LoadMismatch
from headrace.schemas.reject_codes import RejectCode


class Report(Protocol):
    """Hears what is being done, and how many pieces `of` how many are."""

    def __call__(self, what: str, done: int, of: int) -> object:
        """Look at it."""


class Made(NamedTuple):
    """A partition, and whether it is of this call: else it was the table's already."""

    output: Output
    is_new: bool


class _Files(NamedTuple):
    rows: list[DataFile]
    rejects: list[DataFile]
    rejected: Counter[str]


def newest(storage: Storage, kind: Kind, vintages: Collection[str] = ()) -> list[Input]:
    """The newest input of each vintage, or of those that are asked for.

    Raises InputRefused when there is none; StorageUnusable.
    """
    found = {entry.vintage: entry for entry in inputs(storage, kind)}
    missing = sorted(set(vintages) - found.keys())
    if missing or not found:
        raise InputRefused(
            f"no {kind} file{' of ' if missing else ''}{', '.join(missing)} was taken: "
            f"`headrace batch ingest` takes files; of the kind there are {', '.join(found) or 'none'}"
        )
    return [entry for vintage, entry in found.items() if not vintages or vintage in vintages]


class Conversion:
    """Converts inputs, each to its partition; threads may share it.

    A small input has a piece or two, so several are converted at once to keep Spark's cores busy.
    """

    def __init__(self, session: SparkSession, storage: Storage) -> None:
        self._session, self._storage = session, storage
        self._catalog = Catalog(session, storage)
        self._catalog_turn = threading.Lock()

    def run_all(
        self, entries: Sequence[Input], report_of: Callable[[str], Report], seconds: Callable[[], float]
    ) -> Iterator[tuple[Made, float]]:
        """The partitions of inputs in their order, and how long each took by `seconds`, a clock.

        `report_of` gives what hears of a vintage. Raises what `run` raises, once those under way have ended.
        """

        def timed(entry: Input) -> tuple[Made, float]:
            began = seconds()
            return self.run(entry, report_of(entry.vintage)), seconds() - began

        threads = max(1, self._session.sparkContext.defaultParallelism)
        with ThreadPoolExecutor(threads) as pool:
            under_way = [pool.submit(timed, entry) for entry in entries]
            try:
                for one in under_way:
                    yield one.result()
            finally:
                for one in under_way:
                    one.cancel()

    def run(self, entry: Input, report: Report) -> Made:
        """The partition of an input, made the table's unless it is.

        Raises InputRefused, StorageUnusable, SchemaMismatch, and LoadMismatch when a line was dropped.
        """
        table, folder = TABLES[entry.kind], output_folder(entry)
        is_whole = self._storage.exists(f"{folder}/{OUTPUT_MANIFEST}")
        with self._catalog_turn:
            if is_whole and self._catalog.locations(table).get(entry.vintage) == folder:
                return Made(read_output(self._storage, folder), is_new=False)
            self._catalog.prepare(table)
        if not is_whole:
            write_output(self._storage, self._convert(entry, folder, report))
        with self._catalog_turn:
            self._catalog.show_raw(entry)
            self._catalog.set_location(table, entry.vintage, folder)
        return Made(read_output(self._storage, folder), is_new=True)

    def _convert(self, entry: Input, folder: str, report: Report) -> Output:
        table = TABLES[entry.kind].name
        job = Job(
            entry=entry,
            storage=self._storage,
            folder=folder,
            errors=f"errors/{table}/{entry.vintage}/{entry.sha256[:16]}",
        )
        files = self._in_order(job, report) or self._sorted(job, report)
        output = Output(
            table=table,
            vintage=entry.vintage,
            input_name=entry.name,
            input_sha256=entry.sha256,
            rows_in=entry.rows,
            rows=sum(file.rows for file in files.rows),
            rejected=dict(sorted(files.rejected.items())),
            folder=folder,
            files=tuple(files.rows),
            error_files=tuple(files.rejects),
        )
        _check(output)
        return output

    def _in_order(self, job: Job, report: Report) -> _Files | None:
        """The files, when the keys of the whole input rise: then none comes twice, and all is done."""
        done = self._pieces(job, "converting", report)
        ends = [(it.first, it.last) for it in done if it.first is not None and it.last is not None]
        rise = all(last < first for (_, last), (first, _) in pairwise(ends))
        return _files(done) if rise and all(it.rising for it in done) else None

    def _sorted(self, job: Job, report: Report) -> _Files:
        """The files, whatever the order of the keys."""
        scratch, parts = f"scratch/{job.folder}", pieces(job.entry)
        unsorted = replace(job, folder=f"{scratch}/{ROWS}", unique=False)
        found = _files(self._pieces(unsorted, "converting again, to sort it", report))
        if not found.rows:
            return found
        report("sorting", 0, 1)
        ranges = sort(self._session, job, scratch, len(parts))
        lists = [it.repeated for it in ranges if it.repeated is not None]
        look = partial(report, "fetching lines that repeat a key", of=len(parts))
        work = partial(reject_repeated, job, lists, len(parts))
        more = on_cluster(self._session, work, parts if lists else [], look)
        found.rejected[RejectCode.DUPLICATE_KEY.value] += sum(file.rows for file in lists)
        self._storage.clear(scratch)
        return _Files(
            [it.rows for it in ranges if it.rows is not None],
            [*found.rejects, *(file for file in more if file is not None)],
            found.rejected,
        )

    def _pieces(self, job: Job, what: str, report: Report) -> list[Done]:
        parts = pieces(job.entry)
        for folder in (job.folder, job.errors):
            self._storage.clear(folder)
        look = partial(report, what, of=len(parts))
        return on_cluster(self._session, partial(convert, job), parts, look)


def output_folder(entry: Input) -> str:
    """Where the rows of an input lie, below the storage's root."""
    year, quarter = partition_of(entry.vintage)
    place = f"vintage_year={year}/vintage_quarter={quarter}/input={entry.sha256[:16]}"
    return f"tables/{TABLES[entry.kind].name}/{place}"


def _files(done: Iterable[Done]) -> _Files:
    files = _Files([], [], Counter())
    for it in done:
        files.rows.extend([it.rows] if it.rows else [])
        files.rejects.extend([it.rejects] if it.rejects else [])
        files.rejected.update(it.rejected)
    return files


def _check(output: Output) -> None:
    """Raises LoadMismatch unless every line is a row or a reject."""
    rejected = sum(output.rejected.values())
    written = sum(file.rows for file in output.error_files)
    if output.rows_in != output.rows + rejected or rejected != written:
        raise LoadMismatch(
            f"{output.input_name} has {output.rows_in:,} lines, and became {output.rows:,} rows and "
            f"{rejected:,} rejects, {written:,} of them written: a fault of the conversion; no commit"
        )
