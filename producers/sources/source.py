"""What a source is to the producer: something that gives lines, and says how far it is read after each."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from producers.quarantine import Kept

READ_BYTES = 1 << 18
MAX_LINE_BYTES = 1 << 20
"""A longer line goes to quarantine as it comes, and never whole into memory."""


class Chunk(NamedTuple):
    """Lines of one input, without their line feeds.

    `places[i]` says how far the input is read after line i; the source gets it back at the next start, as
    text, under the input's name. A line in quarantine comes in a chunk of its own.
    """

    input: str
    lines: Sequence[bytes | Kept]
    places: Sequence[bytes]


class Source(Protocol):
    """One kind of input; each is one module in this folder."""

    def read(self) -> Chunk | None:
        """The next lines; a chunk without any when there are none now; None at the end.

        Raises SourceUnreadable; or SpoolFull, after which the next call goes on without a loss.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


NOTHING_NOW = Chunk("", (), ())
