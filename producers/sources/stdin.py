"""Standard input as a source.

It cannot be read again: what was taken from it but not yet committed when a producer is killed is lost.
"""

import os
import select

import msgspec

from headrace.errors import SourceUnreadable
from producers.quarantine import Quarantine
from producers.reading.source import NOTHING_NOW, READ_BYTES, Chunk, Opening, Source
from producers.reading.splitter import LineSplitter, looks_binary

FORMAT = "access-log"

_WAIT_SECONDS = 0.1  # so that a request to stop is seen while nothing comes


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """There is nothing to set."""


def open_source(_settings: Settings, opening: Opening) -> "StdinSource":
    """Standard input."""
    return StdinSource(opening.quarantine)


class StdinSource(Source):
    """Lines until the other side closes the pipe."""

    def __init__(self, quarantine: Quarantine, *, file: int = 0) -> None:
        self._file = file
        self._splitter = LineSplitter(0, quarantine)
        self._seen = False
        self._ended = False

    def read(self) -> Chunk | None:
        """The next lines; waits a little for them. Raises SourceUnreadable when they are no text."""
        if not self._splitter.is_ready:
            self._more()
        if self._splitter.is_ready:
            return self._splitter.chunk("stdin")
        return None if self._ended else NOTHING_NOW

    def close(self) -> None:
        """Leave standard input open: it is not ours."""

    def _more(self) -> None:
        if self._splitter.blocked:
            self._splitter.feed(b"")
            return
        if not self._ended and not select.select([self._file], [], [], _WAIT_SECONDS)[0]:
            return
        data = b"" if self._ended else os.read(self._file, READ_BYTES)
        if not data:
            self._ended = True
            self._splitter.finish()
            return
        if not self._seen and looks_binary(data):
            raise SourceUnreadable(
                "standard input is no text: its first bytes are binary. Pipe a log into it"
            )
        self._seen = True
        self._splitter.feed(data)
