"""What was committed a moment ago, in memory for a sender that keeps pace: it need not read it back."""

import threading
from collections import deque

from producers.spool.entry import Run


class Fresh:
    """Runs in the order of their numbers; bounded, so there may be gaps, which are read from the disk."""

    def __init__(self, limit: int) -> None:
        """`limit` is in bytes of records."""
        self._limit = limit
        self._bytes = 0
        self._runs: deque[tuple[Run, int]] = deque()
        self._lock = threading.Lock()

    def put(self, run: Run, size: int) -> None:
        """Keep what is on disk now, if there is room for so many bytes."""
        with self._lock:
            if self._bytes + size <= self._limit:
                self._bytes += size
                self._runs.append((run, size))

    def take(self, number: int) -> Run | None:
        """The run that holds this number, from it on, if it is kept; what came before is let go of."""
        with self._lock:
            while self._runs and self._runs[0][0].first <= number:
                run, size = self._runs.popleft()
                self._bytes -= size
                if run.number >= number:
                    return run.after(number - 1)
        return None
