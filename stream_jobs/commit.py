"""Commits each micro-batch to the warehouse: the function for `foreachBatch`."""

import threading
from functools import partial

import msgspec
from pyspark.sql import DataFrame

from headrace.errors import HaltError
from headrace.ops.clock import Clock
from headrace.ops.logs import get_logger
from headrace.ops.shutdown import Shutdown
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.batch import BatchId, Committed, Exclusions, Fold, FoldedBatch
from headrace.warehouse.warehouse import Warehouse
from stream_jobs.fold.merge import merge
from stream_jobs.fold.partial import SPARK_SCHEMA, from_rows
from stream_jobs.fold.partition import fold_task
from stream_jobs.monitor import Monitor
from stream_jobs.patience import Stopped, patiently


class BatchCommitter:
    """Folds a batch in one Spark action, and hands it to the warehouse until it is in.

    An error that ends the query is kept in `failure`, because Spark passes on only its text.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        *,
        stream: str,
        epoch: int,
        clock: Clock,
        shutdown: Shutdown,
        monitor: Monitor,
    ) -> None:
        """`stream` is the stream's identity, with its creation time."""
        self.failure: Exception | None = None
        self._warehouse = warehouse
        self._stream = stream
        self._epoch = epoch
        self._clock = clock
        self._shutdown = shutdown
        self._monitor = monitor
        self._closed = False
        self._query_id = ""
        self._known = threading.Event()

    def query_is(self, query_id: str) -> None:
        """Spark tells the query's id only after the first batch may have begun."""
        self._query_id = query_id
        self._known.set()

    def close(self) -> None:
        """Begin no further batch."""
        self._closed = True

    def __call__(self, frame: DataFrame, batch_id: int) -> None:
        """Commit one batch. Raises what ends the query."""
        try:
            self._commit(frame, batch_id)
        except Exception as error:
            self.failure = error
            if not isinstance(error, HaltError | Stopped):
                get_logger().exception("a batch failed", batch=batch_id)
            raise

    def _commit(self, frame: DataFrame, batch_id: int) -> None:
        if self._closed:
            raise Stopped("no further batch is begun")
        started = self._clock.monotonic()
        fold = BatchFold(partial(fold_frame, frame))
        folded = fold(Exclusions())
        if not folded.progress:  # Spark's first batch when Kinesis could not be reached yet
            return
        self._known.wait()
        batch = BatchId(self._stream, self._query_id, batch_id, end_positions(folded))
        result = patiently(
            lambda: self._warehouse.commit(batch, self._epoch, fold),
            self._shutdown,
            self._monitor,
        )
        seconds = self._clock.monotonic() - started
        self._monitor.committed(result, fold.latest, seconds)
        _log(batch_id, result, seconds)


def fold_frame(frame: DataFrame, exclusions: Exclusions) -> FoldedBatch:
    """Fold a batch of the source's rows in one Spark action."""
    rows = frame.mapInArrow(partial(fold_task, exclusions=exclusions), SPARK_SCHEMA).toArrow()
    return merge(from_rows(rows), OUTPUTS)


class BatchFold:
    """The fold of one batch, its result without exclusions kept: it names the batch, and a retry asks again.

    `latest` is what it gave last: of a batch that is committed, what went in.
    """

    latest: FoldedBatch

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._whole: FoldedBatch | None = None

    def __call__(self, exclusions: Exclusions) -> FoldedBatch:
        """Fold it, unless that is done."""
        if exclusions:
            self.latest = self._fold(exclusions)
        else:
            self.latest = self._whole = self._whole or self._fold(exclusions)
        return self.latest


def end_positions(folded: FoldedBatch) -> str:
    """Canonical JSON of how far each shard is taken."""
    return msgspec.json.encode({s.shard: s.position for s in folded.progress}, order="sorted").decode()


def _log(batch_id: int, result: Committed, seconds: float) -> None:
    logger = get_logger()
    say = logger.info if result.counted or result.rejected or result.dropped else logger.debug
    say(
        "batch committed",
        batch=batch_id,
        counted=result.counted,
        rejected=result.rejected,
        duplicates=result.dropped,
        seconds=round(seconds, 3),
        **({"replayed": True} if result.already else {}),
        **({"refolds": result.refolds} if result.refolds else {}),
    )
