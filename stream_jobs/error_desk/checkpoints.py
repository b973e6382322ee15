"""When a shard's place goes to KCL, and what becomes of a checkpoint that KCL refuses.

The warehouse keeps the true place, so a checkpoint may lag: it only shortens what is read again.
"""

from enum import Enum
from typing import Protocol

from amazon_kclpy.checkpoint_error import CheckpointError

from headrace.ops.clock import Clock
from headrace.ops.logs import get_logger
from headrace.warehouse.desk import Position

_FIRST_PAUSE = 0.25
_ATTEMPTS = 6  # 8 s in all: a daemon that ends waits 15 s for its children


class Checkpointer(Protocol):
    """KCL's."""

    def checkpoint(self, sequence_number: str | None = None, sub_sequence_number: int | None = None) -> None:
        """Keep the place, by default the last delivered. Raises CheckpointError."""


class Outcome(Enum):
    """What KCL made of a checkpoint."""

    KEPT = "kept"
    LATER = "later"
    NOT_OURS = "not_ours"


class Checkpoints:
    """The checkpoints of one shard: due by time or by count, whichever is first."""

    def __init__(self, clock: Clock, *, seconds: float, records: int) -> None:
        self._clock = clock
        self._seconds = seconds
        self._records = records
        self._last = clock.monotonic()
        self._waiting = 0
        self._position: Position | None = None

    def merged(self, position: Position, records: int) -> None:
        """The warehouse has everything up to a position."""
        self._position = position
        self._waiting += records

    def due(self) -> bool:
        """Whether something waits for long enough, or enough waits."""
        overdue = self._clock.monotonic() - self._last >= self._seconds
        return self._position is not None and (overdue or self._waiting >= self._records)

    def keep(self, checkpointer: Checkpointer) -> None:
        """Keep the place that waits, if one does; when KCL is throttled it waits on.

        Raises SystemExit when KCL and this process no longer agree.
        """
        if self._position is not None and self._keep(checkpointer, self._position) is not Outcome.LATER:
            self._position, self._waiting = None, 0
        self._last = self._clock.monotonic()

    def keep_now(self, checkpointer: Checkpointer) -> None:
        """Keep the place that waits before KCL takes the shard away; give up after a while."""
        if self._position is not None:
            self._insist(checkpointer, self._position)

    def end(self, checkpointer: Checkpointer) -> None:
        """Keep the shard's end, without which its children are never read.

        Raises SystemExit when KCL does not take it: KCL then gives the shard to a process again.
        """
        if self._insist(checkpointer, None) is Outcome.LATER:
            raise SystemExit("the end of the shard could not be checkpointed")

    def _insist(self, checkpointer: Checkpointer, position: Position | None) -> Outcome:
        pause = _FIRST_PAUSE
        for _ in range(_ATTEMPTS - 1):
            if (outcome := self._keep(checkpointer, position)) is not Outcome.LATER:
                return outcome
            self._clock.sleep(pause)
            pause *= 2
        return self._keep(checkpointer, position)

    def _keep(self, checkpointer: Checkpointer, position: Position | None) -> Outcome:
        try:
            if position is None:
                checkpointer.checkpoint()
            else:
                checkpointer.checkpoint(position.sequence, position.sub)
        except CheckpointError as error:
            return _fate(str(error.value))
        return Outcome.KEPT


_LATER = {"ThrottlingException", "KinesisClientLibDependencyException"}
"""DynamoDB is asked too much of, or away. Source: MultiLangProtocol, RecordProcessorCheckpointer."""


def _fate(refusal: str) -> Outcome:
    """What a refusal, the name of a Java exception, means."""
    get_logger().warning("checkpoint refused", why=refusal)
    if refusal in _LATER:
        return Outcome.LATER
    if refusal == "ShutdownException":
        return Outcome.NOT_OURS
    raise SystemExit(f"KCL refused a checkpoint: {refusal}")
