"""For how long the oldest record of a spool has waited, without a time on disk for each."""

from collections import deque

_SAMPLE_SECONDS = 1.0
_MOST_SAMPLES = 4_000


class Backlog:
    """Remembers when how much was spooled; what is older than the process counts from its start."""

    def __init__(self) -> None:
        self._spooled: deque[tuple[float, int]] = deque()

    def age(self, now: float, spooled: int, acknowledged: int) -> float:
        """Seconds, to about one, since the record after `acknowledged` was seen; 0 when there is none."""
        samples = self._spooled
        if not samples or (spooled > samples[-1][1] and now - samples[-1][0] >= _SAMPLE_SECONDS):
            samples.append((now, spooled))
        if len(samples) > _MOST_SAMPLES:  # hours without Kinesis: seconds matter no more
            self._spooled = samples = deque(list(samples)[::2])
        if acknowledged >= spooled:
            samples.clear()
            return 0.0
        while len(samples) > 1 and samples[0][1] <= acknowledged:
            samples.popleft()
        return now - samples[0][0]
