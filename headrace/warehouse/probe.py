"""The named points of a commit, where a test may kill the process or raise."""

from collections.abc import Callable

Probe = Callable[[str], None]
"""Called with a point's name when the commit gets there."""

BEFORE_STAGE = "before_stage"
AFTER_STAGE = "after_stage"
BEFORE_COMMIT = "before_commit"
AFTER_COMMIT = "after_commit"
POINTS = (BEFORE_STAGE, AFTER_STAGE, BEFORE_COMMIT, AFTER_COMMIT)


def no_probe(_point: str) -> None:
    """The probe of production: does nothing."""
