"""What a source is to the producer: something that gives lines, and says how far it is read after each.

Each kind of source is one module in `producers/sources/`, found by its name, with three things in it:

    FORMAT = "ndjson"                                 the usual format of its lines
    class Settings(msgspec.Struct, frozen=True, kw_only=True): ...
    def open_source(settings: Settings, opening: Opening) -> Source: ...
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from headrace.ops.clock import Clock
from producers.line_format import Seal
from producers.quarantine import Kept, Quarantine

READ_BYTES = 1 << 18
MAX_LINE_BYTES = 10 << 20
"""As large as any stream lets a record be. A longer line goes to quarantine as it comes, never whole into
memory."""


class Chunk(NamedTuple):
    """Lines of one input, without their line feeds.

    `places[i]` says how far the input is read after line i; the source gets it back at the next start, as
    text, under the input's name. A line in quarantine comes in a chunk of its own.
    """

    input: str
    lines: Sequence[bytes | Kept]
    places: Sequence[bytes]


class Source(Protocol):
    """One input that is being read; all calls come from one thread."""

    trouble: str = ""
    """Why nothing comes at the moment, for the operator; empty when all is well."""

    def read(self) -> Chunk | None:
        """The next lines; a chunk without any when there are none now; None at the end.

        It may wait a tenth of a second for lines. Raises SourceUnreadable; or SpoolFull, after which the next
        call goes on without a loss.
        """
        ...

    def committed(self) -> Collection[str]:
        """All that was read is on disk. Returns inputs whose places need not be kept any more."""
        return ()

    def close(self) -> None:
        """Let go of files and connections; it may be called twice."""
        ...


class Opening(NamedTuple):
    """What a source may use."""

    places: Mapping[str, str]
    """How far each input had been read, by its name."""

    quarantine: Quarantine
    directory: Path
    """The spool's folder, for what the source keeps across restarts; lost with the spool."""

    clock: Clock
    draw: Callable[[], float]
    """Random numbers in [0, 1)."""

    seal: Seal
    """The verdict on a line, for a source that must know it before it takes the line."""

    has_room: Callable[[int], bool]
    """Whether the spool could take so many more bytes."""

    name: str = ""
    """The input's, for the metrics."""


NOTHING_NOW = Chunk("", (), ())
