"""Whether a producer stays as it is: its memory and its processor time, hour by hour and with Kinesis away.

    python -m bench.producer_endurance --soak 600
    python -m bench.producer_endurance --stalled-gb 10

It is the real command, `python -m producers synthetic`, watched from outside. The soak compares the last
quarter of the time with the second. With a stalled Kinesis the input goes on until the spool is full and the
source paused; then Kinesis comes back and all the rest is sent.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from bench.producer import sink

RATE = 20_000
LINE_BYTES = 1_000
SPOOL_BYTES = 256 << 20
LARGEST_RSS_MB = 256
"""What a pipeline may take whatever happens: see `bound` in the figures."""
GROWTH = 1.1
_TICK_SECONDS = 0.25
_PAUSED_SECONDS = 5.0


class Sample(NamedTuple):
    """The producer at one moment."""

    at: float
    cpu: float
    rss: int
    spool: int


@contextmanager
def producer(url: str, spool: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The command, sending to the sink."""
    environ = dict(os.environ) | {  # noqa: TID251  a bench is its own entry point
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "HEADRACE_LOG_LEVEL": "error",
        "HEADRACE_SPOOL": str(spool),
    }
    command = [sys.executable, "-m", "producers", "synthetic", *options]
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def watch(process: "subprocess.Popen[bytes]", spool: Path) -> Iterator[Sample]:
    """One sample per tick until it ends."""
    seen = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            times = seen.cpu_times()
            rss = seen.memory_info().rss
        except psutil.NoSuchProcess:
            return
        yield Sample(time.monotonic(), times.user + times.system, rss, _bytes_in(spool))
        time.sleep(_TICK_SECONDS)


def soak(seconds: float, rate: int) -> dict[str, object]:
    """Processor share and memory at a steady rate, second quarter against last."""
    samples: list[Sample] = []
    with _spool() as spool, sink() as (url, _), producer(url, spool, "--rate", str(rate)) as process:
        for sample in watch(process, spool):
            samples.append(sample)
            if sample.at - samples[0].at >= seconds:
                break
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    cpu = [(part[-1].cpu - part[0].cpu) / (part[-1].at - part[0].at) for part in (early, late)]
    rss = [statistics.mean(sample.rss for sample in part) / 2**20 for part in (early, late)]
    return {
        "seconds": round(seconds),
        "records_per_second": rate,
        "cpu_percent": {"second_quarter": round(cpu[0] * 100, 1), "last_quarter": round(cpu[1] * 100, 1)},
        "rss_mb": {"second_quarter": round(rss[0], 1), "last_quarter": round(rss[1], 1)},
        "cpu_growth": round(cpu[1] / cpu[0], 3),
        "rss_growth": round(rss[1] / rss[0], 3),
        "goals": {"cpu_growth": GROWTH, "rss_growth": GROWTH},
    }


def stalled(gigabytes: float) -> dict[str, object]:
    """Peak memory with Kinesis away until the source is paused, and while all the rest is sent."""
    lines = int(gigabytes * 1e9 / LINE_BYTES)
    options = ("--records", "web_access.v1", "--line-bytes", str(LINE_BYTES), "--count", str(lines))
    away: list[Sample] = []
    back: list[Sample] = []
    began = time.monotonic()
    with (
        _spool() as spool,
        sink(8, "--stalled") as (url, kinesis),
        producer(url, spool, *options, "--spool-bytes", str(SPOOL_BYTES)) as process,
    ):
        for sample in watch(process, spool):
            if back:
                back.append(sample)
                continue
            away.append(sample)
            if _is_paused(away):
                kinesis.send_signal(signal.SIGUSR1)
                back.append(sample)
        code = process.wait()
    return {
        "input_gb": gigabytes,
        "spool_mb": SPOOL_BYTES >> 20,
        "spooled_mb_while_away": round(max(sample.spool for sample in away) / 2**20),
        "paused_seconds": round(back[0].at - began, 1) if back else 0.0,
        "seconds": round(time.monotonic() - began, 1),
        "exit_code": code,
        "peak_rss_mb_while_away": round(max(sample.rss for sample in away) / 2**20, 1),
        "peak_rss_mb": round(max(sample.rss for sample in (*away, *back)) / 2**20, 1),
        "goals": {"peak_rss_mb": LARGEST_RSS_MB},
    }


def _is_paused(samples: list[Sample]) -> bool:
    """Whether the spool is nearly full and has not grown for a while."""
    ticks = int(_PAUSED_SECONDS / _TICK_SECONDS)
    last = samples[-ticks:]
    return len(last) == ticks and last[0].spool == last[-1].spool > SPOOL_BYTES // 2


@contextmanager
def _spool() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="headrace-endurance-"))
    try:
        yield folder / "spool"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _bytes_in(spool: Path) -> int:
    total = 0
    for path in spool.glob("*/*.segment"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue  # sent and deleted in this moment
    return total


def main() -> int:
    """Print the figures; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--soak", type=float, help="seconds")
    parser.add_argument("--rate", type=int, default=RATE, help="records a second of the soak")
    parser.add_argument("--stalled-gb", type=float, help="bytes of input")
    arguments = parser.parse_args()
    figures: dict[str, dict[str, object]] = {}
    if arguments.soak:
        figures["soak"] = soak(arguments.soak, arguments.rate)
    if arguments.stalled_gb:
        figures["stalled"] = stalled(arguments.stalled_gb)
    sys.stdout.write(json.dumps(figures) + "\n")
    return int(any(_misses(figure) for figure in figures.values()))


def _misses(figure: dict[str, object]) -> bool:
    goals = figure["goals"]
    assert isinstance(goals, dict)
    return any(float(str(figure[name])) > goal for name, goal in goals.items())


if __name__ == "__main__":
    sys.exit(main())
