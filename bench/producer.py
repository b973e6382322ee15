"""Records per second and core from memory, over the spool (fsynced), until a local sink has accepted them.

    python -m bench.producer            against boto3
    python -m bench.producer --all      `make bench-producer`, which installs the other peers first

The sink is a process of its own, and so is each contender; they take turns within one run. What counts is
all the processor time of the producing process. The producer gets records as decoded Structs, 100,000 a
second; the others get their bytes ready made, and have no spool.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.__main__ import table

PEERS_PYTHON = Path(__file__).parent.parent / ".venv-bench-peers" / "bin" / "python"
PEERS = {"boto3": 40_000, "aiobotocore": 40_000, "async-kinesis": 3_000, "kiner": 20_000}
RECORDS, RATE = 200_000, 100_000
SHARDS = 8
OURS = {
    "keyed": ("--rate", str(RATE)),
    "unkeyed": ("--unkeyed", "--rate", str(RATE)),
    "keyed, from a backlog on disk": (),
    "keyed, every key another": ("--users", str(RECORDS), "--rate", str(RATE)),
    "user_signup.v1, judged by the codec": ("--judged", "--rate", str(RATE)),
}
SHORT = ("keyed", "unkeyed")
SHARD_COUNTS = (1, 8, 64, 512)
RECORD_BYTES = {100: 200_000, 200: 200_000, 1_000: 100_000, 10_000: 20_000, 100_000: 3_000, 1_000_000: 300}
GOALS = {"keyed": 200_000, "unkeyed": 300_000, "boto3": 4.0}

Figures = dict[str, float]


@contextmanager
def sink(shards: int = SHARDS, *options: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A sink in a process of its own: its URL."""
    command = [sys.executable, "-m", "bench.producer_sink", "--shards", str(shards), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield (process.stdout or sys.exit("no pipe")).readline().strip(), process
        finally:
            process.terminate()


def ours(url: str, *options: str, records: int = RECORDS) -> Figures:
    """One measurement of the producer."""
    return _run(
        [sys.executable, "-m", "bench.producer_way", "--url", url, "--records", str(records), *options]
    )


def peer(name: str, url: str) -> Figures:
    """One measurement of another one."""
    script = Path(__file__).with_name("producer_peers.py")
    python = str(PEERS_PYTHON) if PEERS_PYTHON.exists() else sys.executable  # which has boto3
    return _run([python, str(script), name, "--url", url, "--records", str(PEERS[name])])


def measure(*, rounds: int, everything: bool) -> dict[str, Any]:
    """The goals and, if `everything`, the other peers and how the cost grows; all from one run."""
    names = [name for name in OURS if everything or name in SHORT]
    others = [name for name in PEERS if everything or name == "boto3"]
    taken: dict[str, list[Figures]] = {name: [] for name in (*names, *others)}
    with sink() as (url, _):
        for _ in range(rounds):
            for name in names:
                taken[name].append(ours(url, *OURS[name]))
            for name in others:
                taken[name].append(peer(name, url))
    rates = {name: round(1 / statistics.median(map(_each, figures))) for name, figures in taken.items()}
    return {
        "bytes_per_record": taken["keyed"][0]["bytes"],
        "per_core": {name: rates[name] for name in names},
        "records_per_second": {name: rates[name] for name in others},
        "ratios": {name: round(rates["keyed"] / rates[name], 1) for name in others},
        **({"microseconds_per_record": growth()} if everything else {}),
        "goals": {name: goal for name, goal in GOALS.items() if name in taken},
    }


def growth() -> dict[str, dict[str, float]]:
    """Processor microseconds of a keyed record by the number of shards, and by its bytes."""
    by_shards, by_bytes = {}, {}
    for shards in SHARD_COUNTS:
        with sink(shards) as (url, _):
            by_shards[f"{shards}"] = round(_each(ours(url, "--rate", str(RATE))) * 1e6, 2)
    with sink() as (url, _):
        for size, records in RECORD_BYTES.items():
            figures = ours(url, "--bytes", str(size), records=records)
            by_bytes[f"{figures['bytes']:,.0f}"] = round(_each(figures) * 1e6, 2)
    return {"shards": by_shards, "bytes": by_bytes}


def missed(figures: dict[str, Any]) -> list[str]:
    """The goals that were not reached."""
    reached = {**figures["per_core"], **figures["ratios"]}
    return [name for name, goal in figures["goals"].items() if reached[name] < goal]


def _each(figures: Figures) -> float:
    return figures["cpu_seconds"] / figures["records"]


def _run(command: list[str]) -> Figures:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def main() -> int:
    """Print the figures; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--all", action="store_true", help="with every peer, and how the cost grows")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    figures = measure(rounds=arguments.rounds, everything=arguments.all)
    if not arguments.json:
        Console(file=sys.stdout).print(table(figures))
        sys.stdout.write("\n")
    sys.stdout.write(json.dumps(figures) + "\n")
    return int(bool(missed(figures)))


if __name__ == "__main__":
    sys.exit(main())
