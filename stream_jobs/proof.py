"""The stream job's own proof: while it runs it reconciles again and again, and what it finds is metrics."""

import math
import threading
from collections.abc import Callable
from datetime import datetime

from headrace.errors import HeadraceError
from headrace.ops import metrics
from headrace.ops.clock import Clock
from headrace.ops.logs import get_logger
from headrace.ops.shutdown import Shutdown
from headrace.warehouse.report import Report


class Proof:
    """Reads the books beside the batches, which do not wait for it."""

    def __init__(self, read: Callable[[], Report], clock: Clock, seconds: float) -> None:
        """`read`: reconciles; it may raise what the warehouse raises. `seconds`: between two readings."""
        self._read = read
        self._clock = clock
        self._seconds = seconds
        self._frontier: datetime | None = None

    def start(self, shutdown: Shutdown) -> None:
        """Read again and again, in a thread that does not hold up the end of the process."""
        threading.Thread(target=self.run, args=(shutdown,), name="proof", daemon=True).start()

    def run(self, shutdown: Shutdown) -> None:
        """Read until a stop is requested. A reader that fails says no more: its last word would stay good."""
        try:
            while not shutdown.wait(self._seconds):
                self.step()
        finally:
            metrics.WAREHOUSE_LAG.set(math.nan)

    def step(self) -> None:
        """Read once. While the books cannot be read the warehouse's lag grows, and the rest stays."""
        try:
            report = self._read()
        except HeadraceError as error:  # a commit meets the same, and has the say in what becomes of it
            get_logger().warning("the books cannot be read", problem=str(error))
        else:
            self._frontier = report.frontier
            metrics.MISSING_RECORDS.set(sum(line.missing for line in report.sources))
            metrics.SILENT_SOURCES.set(sum(line.silent for line in report.sources))
            outputs = [*report.outputs, report.ledger]
            metrics.WRONG_OUTPUTS.set(sum(not output.balanced for output in outputs))
        if self._frontier is not None:
            lag = (self._clock.now() - self._frontier).total_seconds()
            metrics.WAREHOUSE_LAG.set(max(lag, 0.0))
