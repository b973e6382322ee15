"""What becomes of keyed records when entries fail: this producer beside async-kinesis and kiner.

    python -m bench.producer_faults --json         (`make bench-producer` installs the peers first)

Each gets the same lines and, from the same seed, a Kinesis double that fails that share of the entries, half
of them throttled, and of the requests, half of them after they have taken effect. What the double holds is
judged by KCL's hash-range rule and by the number in each line: *lost* lines, *copies* beyond the first
(*counted* are those that no source and number tell to be copies), *inversions*, first copies that come after
a later one of their user. The producer is the whole daemon, spool and fsync included; seconds include the
start of each Python. It aggregates and they do not, so fewer of its entries fail, each with some hundred
records.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.producer import PEERS_PYTHON
from tests.doubles.kcl import delivered
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import Fault, Refuse

RECORDS, USERS, SHARDS = 20_000, 500, 4
FAULTS = {
    "none": (0.0, 0.0),
    "1% of entries": (0.01, 0.0),
    "10% of entries": (0.1, 0.0),
    "1% of entries, 5% of requests": (0.01, 0.05),
}
"""The shares that fail."""
NAMES = ("headrace", "async-kinesis", "kiner")
TIMEOUT_SECONDS = 180.0
_HALF = 0.5
_ROOT = Path(__file__).parent.parent
_LINE = re.compile(rb'"user_id":"([^"]+)","username":"(\d+)"')
_ID = re.compile(rb'"source":"([^"]+)","sequence":"(\d+)"')

Figures = dict[str, float]


def lines(count: int) -> Iterator[bytes]:
    """Lines of 200 bytes; each names its user and its number."""
    for number in range(1, count + 1):
        user = (number * 0x9E3779B97F4A7C15 >> 24) % USERS
        yield (
            b'{"type":"user_signup.v1","time":"2026-01-02T03:04:05Z","data":{"user_id":"%08x-0000-4000-8000-%012x",'
            b'"username":"%08d","country":"Utopia","picture_url":"%b"}}\n' % (user, user, number, b"x" * 28)
        )


def measure(name: str, entries: float, requests: float, records: int = RECORDS) -> Figures:
    """One contender before one double."""
    with tempfile.TemporaryDirectory() as folder, KinesisDouble(seed=1) as kinesis:
        kinesis.create_stream("events", shards=SHARDS)
        kinesis.faults.record_failure, kinesis.faults.throttled_share = entries, _HALF
        kinesis.faults.follow("PutRecords", failing(requests))
        path = Path(folder) / "lines.ndjson"
        path.write_bytes(b"".join(lines(records)))
        began = time.monotonic()
        ended = run(name, kinesis.url, path)
        seconds = time.monotonic() - began
        return {"seconds": round(seconds, 1), "ended": ended, **judge(kinesis, records)}


def failing(share: float) -> Callable[[], Fault | None]:
    """What a request meets."""
    draw = random.Random(1).random  # noqa: S311  the same for each
    return lambda: Refuse("InternalFailure", 500, after=draw() < _HALF) if draw() < share else None


def run(name: str, url: str, path: Path) -> int:
    """Send the file; whether that came to a good end in time."""
    if name == "headrace":
        options = ["--format", "ndjson", "--spool", str(path.with_name("spool"))]
        command = [sys.executable, "-m", "producers", "file", str(path), *options]
    else:
        script = Path(__file__).with_name("producer_faults_peer.py")
        command = [str(PEERS_PYTHON), str(script), name, url, str(path)]
    environ = {
        "PATH": os.defpath,
        "PYTHONPATH": str(_ROOT),
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    try:
        done = subprocess.run(
            command, cwd=_ROOT, env=environ, capture_output=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 0
    return int(done.returncode == 0)


def judge(kinesis: KinesisDouble, records: int) -> Figures:
    """What a KCL consumer gets of it."""
    newest: dict[bytes, int] = {}
    seen: set[int] = set()
    ids: set[tuple[bytes, bytes]] = set()
    copies = inversions = counted = 0
    for shard in kinesis.stream().shards.values():
        for data in delivered(shard):
            for user, digits in _LINE.findall(data):
                number, known = int(digits), len(ids)
                ids.update(_ID.findall(data))
                is_told_apart = _ID.search(data) is not None and len(ids) == known
                if number in seen:
                    copies += 1
                    counted += not is_told_apart
                    continue
                seen.add(number)
                inversions += number < newest.get(user, 0)
                newest[user] = max(number, newest.get(user, 0))
    return {"lost": records - len(seen), "copies": copies, "counted": counted, "inversions": inversions}


def everything(records: int) -> dict[str, dict[str, Figures]]:
    """Each kind of faults, each contender that is installed."""
    names = [name for name in NAMES if name == "headrace" or PEERS_PYTHON.exists()]
    return {
        faults: {name: measure(name, *shares, records) for name in names} for faults, shares in FAULTS.items()
    }


def table(figures: dict[str, dict[str, Figures]]) -> Table:
    """One row per kind of faults and contender."""
    shown = Table(box=None)
    heads = ("lost", "copies", "counted", "inversions", "seconds", "ended")
    for head in ("failing", "producer", *heads):
        shown.add_column(head, justify="left" if head in ("failing", "producer") else "right")
    for faults, contenders in figures.items():
        for name, row in contenders.items():
            shown.add_row(faults, name, *(f"{row[head]:,}" for head in heads))
    return shown


def main() -> int:
    """Print the figures; 1 when this producer loses, counts twice or reorders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object alone")
    parser.add_argument("--records", type=int, default=RECORDS)
    arguments = parser.parse_args()
    figures = everything(arguments.records)
    if not arguments.json:
        Console(file=sys.stdout, width=110).print(table(figures))
    sys.stdout.write(json.dumps(figures) + "\n")
    ours = [contenders["headrace"] for contenders in figures.values()]
    return int(any(row["lost"] or row["counted"] or row["inversions"] or not row["ended"] for row in ours))


if __name__ == "__main__":
    sys.exit(main())
