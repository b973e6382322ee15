"""Rows per second of loan files from text to Parquet on two cores: cells checked, keys unique, rejects kept.

Compared in the same run with DuckDB that does the checks in SQL, and with Spark's own CSV reader that gives
types and counts fields. Processor time stands beside wall time, for machines that are busy with other things.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from pyspark.sql import SparkSession

from batch_jobs.conversion.run import Conversion
from batch_jobs.lock import metastore_lock
from batch_jobs.manifest import Input, Kind
from batch_jobs.session import spark_session
from batch_jobs.settings import BatchSettings
from batch_jobs.storage import Storage
from bench.batch_peers import with_duckdb, with_spark
from bench.batch_text import Book

ROWS: dict[Kind, int] = {"performance": 2_000_000, "origination": 1_200_000}
GOALS = {
    "performance_rows_per_second": 200_000,
    "origination_rows_per_second": 178_000,
    "times_slower_than_duckdb": 4.0,
    "times_plain_spark": 1.0,
}
MEMORY_TIMES = 10
_LINE_BYTES = 100  # of a performance file, at least


def measure(rows: dict[Kind, int], folder: Path) -> dict[str, Any]:
    """The figures of both kinds of file."""
    book, figures = Book(folder), {}
    with _session(folder, "2g") as session:
        for kind, count in rows.items():
            entry = book.file(kind, count)
            figures[kind] = _compare(session, entry, folder / kind)
    return figures | {"goals": GOALS}


def _compare(session: SparkSession, entry: Input, folder: Path) -> dict[str, Any]:
    converted = {
        name: _timed(entry, lambda name=name: _convert(session, entry, folder / name))  # type: ignore[misc]
        for name in ("cold", "warm", "warm_again")
    }
    duckdb = _timed(entry, lambda: with_duckdb(entry, folder / "duckdb"))
    plain = [_timed(entry, lambda: with_spark(session, entry, folder / "plain")) for _ in range(2)][1]
    warm = min(converted["warm"]["cpu_seconds"], converted["warm_again"]["cpu_seconds"])
    return {
        "rows": entry.rows,
        "megabytes": round(entry.bytes / 1e6, 1),
        **converted,
        "duckdb": duckdb,
        "plain_spark": plain,
        "cpu_times_duckdb": round(warm / duckdb["cpu_seconds"], 2),
        "cpu_of_plain_spark_times_ours": round(plain["cpu_seconds"] / warm, 2),
    }


def _convert(session: SparkSession, entry: Input, folder: Path) -> int:
    session.sql("DROP DATABASE IF EXISTS headrace CASCADE")
    made = Conversion(session, Storage(str(folder), {})).run(entry, lambda *_, **__: None)
    return made.output.rows


def _timed(entry: Input, work: Callable[[], int]) -> dict[str, float]:
    """Wall and processor seconds of this process and all below it, and their largest memory together."""
    with _watched() as seen:
        wall = time.perf_counter()
        rows = work()
        wall = time.perf_counter() - wall
    cpu = sum(last - first for first, last in seen.cpu.values())
    assert rows == entry.rows, f"{rows} of {entry.rows} rows"
    return {
        "rows_per_second": round(rows / wall),
        "wall_seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        "rows_per_cpu_second": round(rows / cpu),
        "peak_rss_mb": round(seen.peak / 2**20),
    }


class _Seen:
    """What was seen of a family of processes, some of which end before the others."""

    def __init__(self) -> None:
        self.peak = 0
        self.cpu: dict[int, tuple[float, float]] = {}  # of a process: when first seen, and last

    def look(self, *, first: bool = False) -> None:
        here, memory = psutil.Process(), 0
        for process in [here, *here.children(recursive=True)]:
            try:
                times, size = process.cpu_times(), process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            now = times.user + times.system
            began, _ = self.cpu.get(process.pid, (now if first else 0.0, now))
            self.cpu[process.pid] = began, now
            memory += size
        self.peak = max(self.peak, memory)


@contextmanager
def _watched() -> Iterator[_Seen]:
    """Looks now and then."""
    seen, finished = _Seen(), threading.Event()
    seen.look(first=True)

    def watch() -> None:
        while not finished.wait(0.1):
            seen.look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        finished.set()
        watcher.join()
        seen.look()


@contextmanager
def _session(folder: Path, memory: str) -> Iterator[SparkSession]:
    settings = BatchSettings(state=str(folder / "state"), spark_master="local[2]", spark_memory=memory)
    with metastore_lock(Path(settings.metastore_folder), "bench"):
        session = spark_session(settings, app="bench")
        try:
            yield session
        finally:
            session.stop()


def measure_memory(megabytes: int, folder: Path) -> dict[str, Any]:
    """A file ten times as large as the memory that Spark is given."""
    entry = Book(folder).file("performance", MEMORY_TIMES * megabytes * 2**20 // _LINE_BYTES)
    with _session(folder, f"{megabytes}m") as session:
        figures: dict[str, Any] = _timed(entry, lambda: _convert(session, entry, folder / "memory"))
    return {
        "spark_memory_mb": megabytes,
        "file_mb": round(entry.bytes / 2**20),
        "rows": entry.rows,
        **figures,
    }


def main() -> int:
    """Print the figures; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="only the figures, as JSON")
    parser.add_argument("--rows", type=int, help="rows of each kind")
    parser.add_argument("--memory", type=int, metavar="MB", help="convert a file of 10 times so much memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.memory:
            figures = measure_memory(options.memory, Path(folder))
        else:
            rows = {kind: options.rows or count for kind, count in ROWS.items()}
            figures = measure(rows, Path(folder))
    sys.stdout.write(json.dumps(figures, indent=None if options.json else 1) + "\n")
    missed = [] if options.memory else _missed(figures)
    sys.stderr.write(f"goals missed: {', '.join(missed)}\n" if missed else "")
    return int(bool(missed))


def _missed(figures: dict[str, Any]) -> list[str]:
    missed = []
    for kind in ROWS:
        found = figures[kind]
        speed = max(found["warm"]["rows_per_second"], found["warm_again"]["rows_per_second"])
        missed += [f"{kind} rows per second"] if speed < GOALS[f"{kind}_rows_per_second"] else []
        missed += [f"{kind} DuckDB"] if found["cpu_times_duckdb"] > GOALS["times_slower_than_duckdb"] else []
        missed += (
            [f"{kind} Spark"] if found["cpu_of_plain_spark_times_ours"] < GOALS["times_plain_spark"] else []
        )
    return missed


if __name__ == "__main__":
    sys.exit(main())
