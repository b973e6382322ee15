"""Seconds from a line written to a producer until an analyst's query shows it, at 2,000 lines a second.

    python -m bench.latency --json

Everything is a real process on this machine: the producer (reading a pipe), the stream job, PostgreSQL, and
the Kinesis double. The query sums a windowed table; a line is visible when the sum has reached its number.
"""

import argparse
import bisect
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import psycopg

from headrace.ops.clock import SystemClock
from infra.local import ports, postgres
from infra.local.state import State
from tests.doubles.kinesis import KinesisDouble

RATE = 2_000
SECONDS = 20
TICK = 0.05
WARM_UP = RATE
QUERY = "select coalesce(sum(requests), 0) from web_traffic_1m"
GOALS = {"p50_seconds": 2.0, "p99_seconds": 5.0}


def line(number: int, now: datetime) -> bytes:
    """A line of an access log."""
    time_text = f"{now:%d/%b/%Y:%H:%M:%S} +0000"
    return (
        f'10.0.{number % 200}.{number % 250} - - [{time_text}] "GET /{number % 500} HTTP/1.1" 200 512 '
        f'"-" "curl/8"\n'
    ).encode()


class Writer(threading.Thread):
    """Writes lines at the rate; `written` holds each tick's last number, and when its line was written."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self.pipe = pipe
        self.written: list[tuple[int, float]] = []

    def warm_up(self) -> None:
        """A second's worth of lines at once: what is measured is a job that runs, not how Spark starts."""
        self._write(0, WARM_UP)

    def run(self) -> None:
        """RATE * SECONDS lines, in ticks."""
        begin, number, each = time.monotonic(), 0, int(RATE * TICK)
        while number < RATE * SECONDS:
            self._write(number, each)
            number += each
            self.written.append((WARM_UP + number, time.monotonic()))
            time.sleep(max(0.0, begin + number / RATE - time.monotonic()))
        self.pipe.close()

    def _write(self, first: int, count: int) -> None:
        now = datetime.now(UTC)  # noqa: TID251  a bench is its own entry point
        self.pipe.write(b"".join(line(number, now) for number in range(first, first + count)))
        self.pipe.flush()


def watch(url: str, total: int) -> list[tuple[int, float]]:
    """When the analyst's sum was seen to be how much, until it is `total`."""
    seen: list[tuple[int, float]] = []
    with psycopg.connect(url, autocommit=True) as connection:
        while not seen or seen[-1][0] < total:
            (count,) = connection.execute(QUERY).fetchone() or (0,)
            if not seen or count > seen[-1][0]:
                seen.append((int(count), time.monotonic()))
            time.sleep(0.01)
    return seen


def delays(written: list[tuple[int, float]], seen: list[tuple[int, float]]) -> list[float]:
    """Per tick the seconds until its last line was in the sum."""
    counts = [count for count, _ in seen]
    return [seen[bisect.bisect_left(counts, number)][1] - at for number, at in written]


def measure() -> dict[str, object]:
    """All figures, from one run."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder, KinesisDouble() as double:
        double.create_stream("events", shards=4)
        state = State(Path(folder) / ".headrace")
        base = dict(os.environ)  # noqa: TID251  a bench is its own entry point
        url = postgres.url(state, postgres.start(state, base, clock, preferred=0))
        port = ports.choose(0)
        environ = base | {
            "AWS_ENDPOINT_URL": double.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "HEADRACE_STATE": str(state.root),
            "HEADRACE_SPOOL": str(state.spool),
            "HEADRACE_WAREHOUSE_URL": url,
            "HEADRACE_LOG_LEVEL": "warning",
        }
        job_environ = environ | {"HEADRACE_HEALTH_PORT": str(port)}
        job = subprocess.Popen([sys.executable, "-m", "stream_jobs"], env=job_environ)
        try:
            _wait_until_healthy(port, job)
            command = [sys.executable, "-m", "producers", "stdin"]
            with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE) as producer:
                writer = Writer(producer.stdin or sys.exit("no pipe"))
                writer.warm_up()
                watch(url, WARM_UP)
                writer.start()
                seen = watch(url, WARM_UP + RATE * SECONDS)
                writer.join()
        finally:
            job.terminate()
            job.wait()
            postgres.stop(state, clock)
    cuts = statistics.quantiles(delays(writer.written, seen), n=100)
    return {
        "lines_per_second": RATE,
        "lines": RATE * SECONDS,
        "p50_seconds": round(cuts[49], 2),
        "p99_seconds": round(cuts[98], 2),
        "goals": GOALS,
    }


def _wait_until_healthy(port: int, job: "subprocess.Popen[bytes]") -> None:
    while job.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the stream job ended with {job.returncode}")


def main() -> int:
    """Print the figures; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = parser.parse_args().json
    figures = measure()
    if as_json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        for name, value in figures.items():
            if name != "goals":
                goal = f"   (goal {GOALS[name]:,})" if name in GOALS else ""
                sys.stdout.write(f"{name.replace('_', ' '):45} {value:>12,}{goal}\n")
    return int(any(float(str(figures[name])) > goal for name, goal in GOALS.items()))


if __name__ == "__main__":
    sys.exit(main())
