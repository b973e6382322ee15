"""How far a producer has come, for a person and for /healthz."""

from typing import Literal

import msgspec

State = Literal["reading", "paused", "draining", "done"]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the process began, but for the last four: those are of the spool.

    `source` is the newest source; `waiting` counts the records of all sources that Kinesis has not
    acknowledged; `problem` says what holds the producer up, empty when nothing does.
    """

    state: State
    read: int
    rejected: int
    source: str
    spooled: int
    acknowledged: int
    waiting: int
    spool_bytes: int
    problem: str
