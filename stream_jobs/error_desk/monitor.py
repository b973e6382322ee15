"""What the error desk says of itself on `/healthz` and `/metrics`, gathered from its shards' status files."""

import threading
from datetime import timedelta
from pathlib import Path

from headrace.ops import metrics
from headrace.ops.clock import Clock
from headrace.ops.health import Health
from stream_jobs.error_desk.status import ShardStatus, read_all

_SILENT = timedelta(seconds=60)
"""KCL calls each shard's process about twice a second, and a process that waits writes at each attempt."""


class DeskMonitor:
    """Gathers, and answers; threads may share it."""

    def __init__(self, clock: Clock, folder: Path, *, fleet: bool) -> None:
        """In a fleet a worker may have no shard for a while; alone it has all of them."""
        self._clock = clock
        self._folder = folder
        self._fleet = fleet
        self._lock = threading.Lock()
        self._phase = "starting"
        self._trouble = ""
        self._shards: dict[str, ShardStatus] = {}
        self._counted: dict[int, int] = {}

    def phase(self, name: str) -> None:
        """What the launcher is doing."""
        with self._lock:
            self._phase = name

    def trouble(self, text: str) -> None:
        """What keeps the launcher from going on; '' when it is over."""
        with self._lock:
            self._trouble = text

    def restarted(self) -> None:
        """The daemon ended and is started again."""
        metrics.DESK_RESTARTS.inc()

    def gather(self) -> list[ShardStatus]:
        """Read what the shards say, and move the metrics."""
        statuses = list(read_all(self._folder))
        with self._lock:
            for gone in self._shards.keys() - {status.shard for status in statuses}:
                metrics.SHARD_BEHIND_SECONDS.remove(gone)
            self._shards = {status.shard: status for status in statuses}
            for status in statuses:
                self._count(status)
            metrics.DESK_HELD_UP.set(bool(self._why()))
        return statuses

    def health(self) -> Health:
        """Red until a shard is read, and while anything holds one up."""
        self.gather()
        with self._lock:
            why = self._why()
            return Health(
                ok=not why and self._phase == "running" and bool(self._shards or self._fleet),
                detail={
                    "phase": self._phase,
                    "trouble": why,
                    "shards": {
                        name: {
                            "merged": status.merged,
                            "last_merge": status.last_merge.isoformat() if status.last_merge else None,
                            "behind_seconds": status.behind_ms / 1000,
                        }
                        for name, status in self._shards.items()
                    },
                },
            )

    def _count(self, status: ShardStatus) -> None:
        """A process's count only grows; a new process begins at 0."""
        before = self._counted.get(status.process, 0)
        self._counted[status.process] = status.merged
        metrics.DESK_RECORDS.inc(status.merged - before)
        metrics.SHARD_BEHIND_SECONDS.labels(status.shard).set(status.behind_ms / 1000)
        if status.last_merge is not None:
            metrics.DESK_LAST_MERGE.set(status.last_merge.timestamp())

    def _why(self) -> str:
        """What holds the desk up."""
        troubles = {status.trouble for status in self._shards.values() if status.trouble}
        now = self._clock.now()
        silent = [name for name, status in self._shards.items() if now - status.at > _SILENT]
        if silent and not troubles:
            troubles.add(f"nothing heard from {', '.join(silent)}")
        return self._trouble or "; ".join(sorted(troubles))
