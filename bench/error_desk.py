"""Rows per second of the error desk: rejects of about 1 kB, decoded and merged into PostgreSQL, without Java.

Each shard is fed as KCL feeds it, calls of at most 5,000 records; the shards take turns in one process. The
database is the embedded one, in a temporary folder, with its safe settings (fsync on).
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from headrace.ops.clock import SystemClock
from headrace.ops.shutdown import Shutdown
from headrace.schemas.codec import FieldError, RejectCode, Rejection, Stage, reject_event
from headrace.warehouse.desk import Position
from headrace.warehouse.warehouse import connect
from infra.local import postgres
from infra.local.state import State
from stream_jobs.error_desk.rows import Delivered
from stream_jobs.error_desk.settings import ErrorDeskSettings
from stream_jobs.error_desk.shard import Shard

RECORDS, CALL, SHARDS, RAW_BYTES = 100_000, 5_000, 4, 400
ROUNDS = 3
_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_ARRIVAL = 1_795_262_400_000_000


class NoKcl:
    """Takes every checkpoint."""

    def checkpoint(self, sequence_number: str | None = None, sub_sequence_number: int | None = None) -> None:
        """Kept nowhere."""


def rejects(count: int) -> list[bytes]:
    """Rejects of about 1 kB on the wire, each with an id of its own."""
    errors = tuple(FieldError(f"$.data.field_{n}", "Expected `int`, got `str`") for n in range(2))
    return [
        reject_event(
            Rejection(
                code=RejectCode.WRONG_TYPE,
                errors=errors,
                raw=(b"line %d " % number).ljust(RAW_BYTES, b"x"),
                source="web-7/01J9ZX5T3R6E8QK2V4M7B0C1DN",
                sequence=number,
                record_type="web_access.v1",
            ),
            stage=Stage.TRANSFORM,
            source="web-7/01J9ZX5T3R6E8QK2V4M7B0C1DN",
            sequence=number,
            time=_NOON,
        )
        for number in range(1, count + 1)
    ]


def merge_all(url: str, state: Path, contents: list[bytes], stream: str) -> float:
    """Feed every shard to its end; the seconds that it took."""
    clock, never = SystemClock(), Shutdown()
    settings = ErrorDeskSettings(warehouse_url=url, state=str(state))
    settings.folder.mkdir(parents=True, exist_ok=True)
    records = [Delivered(Position.of(str(n), 0), data, _ARRIVAL) for n, data in enumerate(contents)]
    shards = [
        Shard(f"shardId-{n:012d}", settings, stream, clock, process=n, waits=never) for n in range(SHARDS)
    ]
    parts = [records[n::SHARDS] for n in range(SHARDS)]
    started = time.perf_counter()
    for first in range(0, len(parts[0]), CALL):
        for shard, part in zip(shards, parts, strict=True):
            shard.process(part[first : first + CALL], 0, NoKcl())
    seconds = time.perf_counter() - started
    for shard in shards:
        shard.close()
    return seconds


def measure(state: Path) -> dict[str, Any]:
    """New rejects, the same ones as other copies, and a second delivery that changes nothing."""
    place, clock = State(state), SystemClock()
    database = postgres.start(place, os.environ, clock, preferred=0)  # noqa: TID251  an entry point
    url = postgres.url(place, database)
    contents = rejects(RECORDS)
    seconds: dict[str, list[float]] = {"new": [], "known": [], "delivered_again": []}
    try:
        warehouse = connect(url, clock)
        warehouse.prepare([])
        warehouse.close()
        for number in range(ROUNDS):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("TRUNCATE rejects")
            for name, stream in (("new", "a"), ("known", "b"), ("delivered_again", "b")):
                seconds[name].append(merge_all(url, state, contents, f"{stream}@{number}"))
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT count(*), sum(seen_on_errors) FROM rejects").fetchone()
        assert found == (RECORDS, 2 * RECORDS)
    finally:
        postgres.stop(place, clock)
    return {
        "bytes_per_record": round(statistics.mean(map(len, contents))),
        "records": RECORDS,
        "rows_per_second": {
            name: round(RECORDS / statistics.median(taken)) for name, taken in seconds.items()
        },
    }


def main() -> int:
    """Print the figures."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = arguments.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder) / ".headrace")
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        for name, rate in result["rows_per_second"].items():
            sys.stdout.write(f"{rate:>9,} rows/s  {name.replace('_', ' ')}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
