"""What the stream job says of itself on `/healthz` and `/metrics`."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pyarrow.compute as pc

from headrace.ops import metrics
from headrace.ops.clock import Clock
from headrace.ops.health import Health
from headrace.ops.logs import get_logger
from headrace.warehouse.batch import Committed, FoldedBatch, TypeShare
from stream_jobs.source.prefetch import ReaderState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING_READ = ReaderState("", {})


class Monitor:
    """Collects what the parts of the job report; threads may share it."""

    def __init__(self, clock: Clock, status_file: Path) -> None:
        self._clock = clock
        self._status_file = status_file
        self._lock = threading.Lock()
        self._phase = "starting"
        self._trouble = ""
        self._batches = 0
        self._last_commit: datetime | None = None
        self._types: set[str] = set()

    def phase(self, name: str) -> None:
        """What the process is doing."""
        with self._lock:
            self._phase = name

    def trouble(self, text: str) -> None:
        """What keeps the job from going on; '' when it is over."""
        with self._lock:
            self._trouble = text

    def committed(self, result: Committed, folded: FoldedBatch, seconds: float) -> None:
        """A batch is in the warehouse."""
        with self._lock:
            self._batches += 1
            self._last_commit = self._clock.now()
            self._trouble = ""
        metrics.BATCH_SECONDS.observe(seconds)
        metrics.BATCHES.inc()
        metrics.JOB_RECORDS.labels("counted").inc(result.counted)
        metrics.JOB_RECORDS.labels("rejected").inc(result.rejected)
        metrics.JOB_RECORDS.labels("duplicate").inc(result.dropped)
        if not result.already:
            self._shares(result.shares)
            for windows in folded.windows.values():
                metrics.WINDOW_RECORDS.inc(pc.sum(windows["records"]).as_py() or 0)
                metrics.LATE_RECORDS.inc(pc.sum(windows["late_records"]).as_py() or 0)
        for shard in folded.progress:
            if shard.closed:
                for gauge in (metrics.SHARD_FRONTIER, metrics.SHARD_BEHIND_SECONDS):
                    gauge.remove(shard.shard)
            else:
                metrics.SHARD_FRONTIER.labels(shard.shard).set(shard.frontier.timestamp())

    def _shares(self, shares: Sequence[TypeShare]) -> None:
        """Show each type's share and breaker; one that is not looked at any more has neither."""
        found = {share.record_type or metrics.UNREADABLE: share for share in shares}
        for name in self._types - found.keys():
            for gauge in (metrics.REJECTED_SHARE, metrics.BREAKER_OPEN):
                gauge.labels(name).set(0)
        self._types |= found.keys()
        for name, share in found.items():
            metrics.REJECTED_SHARE.labels(name).set(share.share)
            metrics.BREAKER_OPEN.labels(name).set(share.is_open)
            if share.is_open != share.was_open:
                _say(name, share)

    def health(self) -> Health:
        """Red until the first batch is committed, and while the warehouse or Kinesis holds the job up."""
        reader = self._reader()
        for name, shard in reader.shards.items():
            metrics.SHARD_BEHIND_SECONDS.labels(name).set(shard.behind_ms / 1000)
        with self._lock:
            return Health(
                ok=self._batches > 0 and not self._trouble and not reader.trouble,
                detail={
                    "phase": self._phase,
                    "trouble": self._trouble or reader.trouble,
                    "batches": self._batches,
                    "last_commit": self._last_commit.isoformat() if self._last_commit else None,
                    "shards": {
                        name: {
                            "behind_seconds": shard.behind_ms / 1000,
                            "read_up_to": (_EPOCH + timedelta(microseconds=shard.frontier)).isoformat(),
                            "waiting_bytes": shard.waiting_bytes,
                        }
                        for name, shard in reader.shards.items()
                    },
                },
            )

    def _reader(self) -> ReaderState:
        """What the source's reader, a process of its own, wrote last."""
        try:
            return msgspec.json.decode(self._status_file.read_bytes(), type=ReaderState)
        except (OSError, msgspec.DecodeError):
            return _NOTHING_READ


def _say(name: str, share: TypeShare) -> None:
    logger = get_logger()
    said = {"record_type": name, "rejected": share.rejected, "counted": share.counted}
    if share.is_open:
        logger.warning("breaker opens: too many records are rejected", **said, share=round(share.share, 4))
    else:
        logger.info("breaker closes", **said, share=round(share.share, 4))
