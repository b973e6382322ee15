"""How fast one shard is sent to: additive increase, multiplicative decrease, and jittered back-off."""

from collections.abc import Callable

_USUAL_RATE = 1 << 20  # bytes per second that a shard takes, before we have measured any
_LOWEST_RATE = 16 << 10
_INCREASE = 64 << 10  # bytes per second, each second
_UNLIMITED_FROM = 8 << 20
_DECREASE = 0.6
_MEASURE_SECONDS = 1.0
_BURST_SECONDS = 0.25


class ShardRate:
    """A token bucket that exists only once the shard has throttled; its callers tell the time."""

    def __init__(self) -> None:
        self.limit: float | None = None  # bytes per second
        self._tokens = 0.0
        self._filled_at = 0.0
        self._throttled_at = float("-inf")
        self._measured = float(_USUAL_RATE)
        self._interval_began = float("-inf")
        self._interval_bytes = 0

    def allows(self, now: float) -> bool:
        """Whether more may be sent now. One aggregate may overdraw the bucket."""
        if self.limit is None:
            return True
        passed = now - self._filled_at
        self._filled_at = now
        self.limit += _INCREASE * passed
        self._tokens = min(self._tokens + self.limit * passed, self.limit * _BURST_SECONDS)
        if self.limit >= _UNLIMITED_FROM:
            self.limit = None
            return True
        return self._tokens >= 0

    def sent(self, size: int) -> None:
        """Book what is being sent."""
        self._tokens -= size

    def accepted(self, size: int, now: float) -> None:
        """Measure what the shard takes."""
        if now - self._interval_began >= _MEASURE_SECONDS:
            if self._interval_bytes:
                self._measured = self._interval_bytes / (now - self._interval_began)
            self._interval_began, self._interval_bytes = now, 0
        self._interval_bytes += size

    def throttled(self, now: float) -> None:
        """The shard refused for its rate; several refusals within a second count once."""
        if now - self._throttled_at < _MEASURE_SECONDS:
            return
        self._throttled_at = now
        present = self._measured if self.limit is None else min(self.limit, self._measured)
        self.limit = max(present * _DECREASE, _LOWEST_RATE)
        self._tokens, self._filled_at = 0.0, now


class BackOff:
    """Waits that double up to a limit, each drawn between nothing and the whole (full jitter).

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    def __init__(self, draw: Callable[[], float], *, first: float = 0.1, longest: float = 5.0) -> None:
        """`draw` gives numbers in [0, 1)."""
        self._draw = draw
        self._first = first
        self._longest = longest
        self.failures = 0
        self.until = float("-inf")
        self._failed_at = float("-inf")

    def failed(self, now: float, begun: float | None = None) -> None:
        """Wait longer than after the failure before; what had `begun` before that one failed counts not."""
        if begun is not None and begun <= self._failed_at:
            return
        self._failed_at = now
        whole = min(self._first * 2.0**self.failures, self._longest)
        self.failures = min(self.failures + 1, 32)
        self.until = now + self._draw() * whole

    def succeeded(self) -> None:
        """Begin small again."""
        self.failures = 0

    def is_over(self, now: float) -> bool:
        """Whether to try now."""
        return now >= self.until
