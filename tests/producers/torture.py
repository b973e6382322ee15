"""A producer's hard life: the daemon as a process, killed and started again, before a Kinesis full of faults.

Everything is drawn from one seed, in the order of the requests; when they come is up to the machine.
"""

import os
import random
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import (
    Cut,
    FailRecords,
    Fault,
    HalfOfResults,
    Late,
    Misroute,
    Refuse,
    Reset,
    Stall,
)
from tests.producers.processes import ROOT, environment

SEED = int(os.environ.get("HEADRACE_TORTURE_SEED", "1"))
DEADLINE_SECONDS = 240.0
ANSWER_SECONDS = 1.0  # that the daemon waits for an answer here, in place of 30

_REQUESTS_FAILING = 0.08  # each of the deck's faults comes, also where few entries fail
_IMPATIENT = f"""
import sys
from headrace.kinesis.client import KinesisClient
KinesisClient.__init__.__kwdefaults__["read_seconds"] = {ANSWER_SECONDS}
from producers.__main__ import main
sys.exit(main())
"""
_MISROUTE = "misroute"
_DECK: tuple[Fault | str, ...] = (
    Refuse(),
    Refuse("ServiceUnavailable", 503),
    Refuse("ProvisionedThroughputExceededException", 400),
    Refuse(after=True),
    Reset(),
    Reset(after=True),
    Cut(),
    HalfOfResults(),
    FailRecords(),
    FailRecords(frozenset(range(0, 500, 2)), "InternalFailure"),
    Stall(),
    Stall(after=True),
    Late(ANSWER_SECONDS * 1.3),
    _MISROUTE,
    _MISROUTE,
)


def size(usual: int) -> int:
    """How many records: as many as HEADRACE_TORTURE says, if it does."""
    return int(os.environ.get("HEADRACE_TORTURE", usual))


class Torments:
    """What each PutRecords meets; `todo` at shares of the bytes that are to come: kill, split, merge.

    A kill comes before the request has taken effect, after it, or up to a third of a second later.
    """

    def __init__(
        self, kinesis: KinesisDouble, *, seed: int, share: float, to_come: int, todo: Sequence[str]
    ) -> None:
        """`share` of the entries fail; one request in twelve fails too, in one of fifteen ways."""
        self.done: Counter[str] = Counter()
        self.requests = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._kinesis = kinesis
        self._random = random.Random(seed)
        self._to_come = to_come
        places = sorted(self._random.uniform(0.03, 0.85) for _ in todo)
        self._todo = deque(zip(places, todo, strict=True))
        self._deck: list[Fault | str] = []
        self._is_armed = False
        self._taken = 0
        self._seen: Counter[str] = Counter()
        self._timers: list[threading.Timer] = []
        kinesis.faults.record_failure, kinesis.faults.throttled_share = share, 0.25
        kinesis.faults.follow("PutRecords", self._on_put)
        kinesis.faults.follow("ListShards", self._on_list)

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Kill this one; every other while it starts."""
        self.process, self._is_armed = process, True
        if self._random.random() < 0.5 and self.done["kill"]:
            self._kill_after(self._random.uniform(0.2, 1.0))

    def end(self) -> None:
        """Kill nothing any more."""
        for timer in self._timers:
            timer.cancel()
            timer.join()

    def _on_put(self) -> Fault | None:
        self.requests += 1
        self._count_bytes()
        if self._is_due():
            what = self._todo.popleft()[1]
            self.done[what] += 1
            if what == "kill":
                return self._kill()
            self._reshard(what)
        return self._fault()

    def _is_due(self) -> bool:
        """Whether there is something to do; a kill waits for a process that lives."""
        if not self._todo or self._taken < self._todo[0][0] * self._to_come:
            return False
        return self._is_armed or self._todo[0][1] != "kill"

    def _on_list(self) -> Fault | None:
        return Refuse("ServiceUnavailable", 503) if self._random.random() < _REQUESTS_FAILING else None

    def _count_bytes(self) -> None:
        for shard_id, shard in self._kinesis.stream().shards.items():
            self._taken += sum(len(record.data) for record in shard.records[self._seen[shard_id] :])
            self._seen[shard_id] = len(shard.records)

    def _kill(self) -> Fault | None:
        assert self.process is not None
        self._is_armed = False
        way = self._random.choice(("before", "after", "soon"))
        if way == "soon":
            self._kill_after(self._random.uniform(0.0, 0.3))
            return None
        self.process.kill()
        return Reset(after=way == "after")

    def _kill_after(self, seconds: float) -> None:
        assert self.process is not None
        timer = threading.Timer(seconds, self.process.kill)
        self._timers.append(timer)
        timer.start()

    def _reshard(self, what: str) -> None:
        shards = sorted(self._kinesis.stream().open, key=lambda shard: shard.first)
        at = self._random.randrange(len(shards) - 1)
        if what == "merge":
            self._kinesis.merge(shards[at].shard_id, shards[at + 1].shard_id)
            return
        middle = self._random.randint(shards[at].first + 1, shards[at].last)
        self._kinesis.split(shards[at].shard_id, at=middle)

    def _fault(self) -> Fault | None:
        if self._random.random() >= _REQUESTS_FAILING:
            return None
        if not self._deck:
            self._deck = self._random.sample(_DECK, len(_DECK))
        fault = self._deck.pop()
        self.done["fault"] += 1
        if isinstance(fault, str):
            return Misroute(self._random.choice(list(self._kinesis.stream().shards)))
        return fault


def run(torments: Torments, command: Sequence[object], environ: dict[str, str], log: Path) -> int:
    """Start the daemon again and again until it has come to its end; returns how often it was killed."""
    kills = 0
    while True:
        with log.open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-c", _IMPATIENT, *map(str, command)],
                env=environ,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stderr=said,
            )
        torments.watch(process)
        try:
            code = process.wait(DEADLINE_SECONDS)
        finally:
            process.kill()
            process.wait()
        if code >= 0:
            torments.end()
            assert code == 0, log.read_text()[-4_000:]
            return kills
        kills += 1


def surroundings(url: str, spool: Path) -> dict[str, str]:
    """What the daemon needs to find the double; it tells often how far it has come."""
    more = {"HEADRACE_PRODUCER_NAME": "web-7", "HEADRACE_STATUS_SECONDS": "0.5"}
    return environment(url, spool) | more
