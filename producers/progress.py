"""How far a producer has come, for a person and for /healthz."""

from collections.abc import Sequence
from typing import Literal

import msgspec

State = Literal["reading", "paused", "draining", "done", "failed"]
_STATES: tuple[State, ...] = ("failed", "paused", "reading", "draining", "done")


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the process began, but for the last four: those are of the spool.

    `source` is the newest source; `waiting` counts the records of all sources that Kinesis has not
    acknowledged; `problem` says what holds the producer up, empty when nothing does.
    """

    state: State
    read: int = 0
    rejected: int = 0
    source: str = ""
    spooled: int = 0
    acknowledged: int = 0
    waiting: int = 0
    spool_bytes: int = 0
    problem: str = ""


def total(parts: Sequence[Progress]) -> Progress:
    """Several as one: the sums, the state that needs most attention, all problems."""
    if len(parts) == 1:
        return parts[0]
    return Progress(
        state=min((part.state for part in parts), key=_STATES.index, default="done"),
        read=sum(part.read for part in parts),
        rejected=sum(part.rejected for part in parts),
        source=", ".join(part.source for part in parts if part.source),
        spooled=sum(part.spooled for part in parts),
        acknowledged=sum(part.acknowledged for part in parts),
        waiting=sum(part.waiting for part in parts),
        spool_bytes=sum(part.spool_bytes for part in parts),
        problem="; ".join(part.problem for part in parts if part.problem),
    )
