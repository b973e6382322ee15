"""A loan file as it was found: a text file on this machine, or a member of a zip."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from batch_jobs.ingest.names import LoanName


class Readable(Protocol):
    """Any open file."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


class LoanFile(NamedTuple):
    """`place` is how a person finds it; `path` is None in a zip, where it takes `packed` bytes."""

    name: LoanName
    place: str
    path: Path | None
    size: int
    packed: int
    open: Callable[[], AbstractContextManager[Readable]]
