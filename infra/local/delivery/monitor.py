"""What the deliveries say of themselves on `/healthz` and `/metrics`."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from headrace.ops import metrics
from headrace.ops.clock import Clock
from headrace.ops.health import Health
from infra.local.delivery.engine import Written

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")


@dataclass
class _State:
    trouble: str = "not begun"
    oldest_ms: int | None = None
    objects: int = 0
    records: int = 0
    dropped: int = 0
    failed: int = 0


class Monitor:
    """Collects what the threads report, by the delivery's stream; threads may share it."""

    def __init__(self, clock: Clock, streams: Iterable[str]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._states = {stream: _State() for stream in streams}

    def trouble(self, stream: str, text: str) -> None:
        """What holds the delivery up; '' while it goes."""
        with self._lock:
            self._states[stream].trouble = text

    def age(self, stream: str, oldest_ms: int | None) -> None:
        """When the oldest record arrived that is read and not in the archive, in milliseconds since 1970."""
        with self._lock:
            self._states[stream].oldest_ms = oldest_ms
        metrics.DELIVERY_FRESHNESS.labels(stream).set(self._age(oldest_ms))

    def written(self, stream: str, written: Written) -> None:
        """Objects are in the archive."""
        failed = sum(written.failures.values())
        with self._lock:
            state = self._states[stream]
            state.objects += written.objects
            state.records += written.records
            state.dropped += written.dropped
            state.failed += failed
        metrics.DELIVERY_OBJECTS.labels(stream).inc(written.objects)
        for fate, number in (("delivered", written.records), ("dropped", written.dropped)):
            metrics.DELIVERY_RECORDS.labels(stream, fate).inc(number)
        for code, number in written.failures.items():
            metrics.DELIVERY_RECORDS.labels(stream, "failed").inc(number)
            metrics.DELIVERY_FAILURES.labels(stream, code).inc(number)

    def health(self) -> Health:
        """Red until every delivery goes, and while a service holds one up."""
        with self._lock:
            detail: dict[str, object] = {
                stream: {
                    "trouble": state.trouble,
                    "freshness_seconds": self._age(state.oldest_ms),
                    "objects": state.objects,
                    "delivered": state.records,
                    "dropped": state.dropped,
                    "failed": state.failed,
                }
                for stream, state in self._states.items()
            }
            return Health(ok=not any(state.trouble for state in self._states.values()), detail=detail)

    def _age(self, oldest_ms: int | None) -> float:
        """Seconds; 0 while nothing waits."""
        if oldest_ms is None:
            return 0.0
        return max(0.0, (self._clock.now() - _EPOCH) / timedelta(seconds=1) - oldest_ms / 1000)
