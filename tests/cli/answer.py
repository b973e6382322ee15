"""What one command line came to."""

from typing import NamedTuple


class Answer(NamedTuple):
    """Its exit code, and what it wrote."""

    code: int
    out: str
    err: str
