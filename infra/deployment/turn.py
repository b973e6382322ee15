"""One command at a time works on a stage from one folder."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.ops.clock import Clock

_POLL_SECONDS = 0.2


@contextmanager
def turn(folder: Path, stage: str, clock: Clock, say: Callable[[str], None]) -> Iterator[int]:
    """Wait for the turn, and hold it within the block: an open file, to be handed to a child that works too.

    A child that outlives a caller that was killed keeps the turn to its own end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{stage}.lock").open("w") as held:
        told = False
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    say(f"another headrace command works on stage {stage}: waiting for its end")
                    told = True
                clock.sleep(_POLL_SECONDS)
        yield held.fileno()
