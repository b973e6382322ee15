"""A clock that stands still until it is told: time as test data."""

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class ManualClock:
    """Implements headrace.ops.clock.Clock; `sleep` moves it, so nothing ever waits."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._passed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._passed += max(seconds, 0.0)

    def set(self, now: datetime) -> None:
        """Jump; back too, as a wrong clock that is put right does."""
        with self._lock:
            self._start = now - timedelta(seconds=self._passed)
