"""By how much to shift the event times of a log so that its newest is now; the same again after a restart."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from producers.line_format import TimeOf
from producers.reading.source import Chunk, Source
from producers.spool.budget import spool_error
from producers.spool.segment import write_durably

_HOUR = timedelta(hours=1)


def shift_to(now: datetime, source: Source, time_of: TimeOf) -> timedelta:
    """Whole hours, so that minutes and windows keep their place; reads the source to its end."""
    newest: datetime | None = None
    while (chunk := source.read()) is not None:
        for line in chunk.lines:
            time = time_of(line) if isinstance(line, bytes) else None
            if time is not None and (newest is None or time > newest):
                newest = time
    return timedelta(0) if newest is None else (now - newest) // _HOUR * _HOUR


class _Content(msgspec.Struct, frozen=True):
    paths: tuple[str, ...]
    hours: int


class KeptShift:
    """The shift of a replay, in its input's spool folder, while some of it is still to be read.

    Found out anew after a kill it might be another hour: one log would then lie in windows of two days.
    """

    def __init__(self, directory: Path, paths: Sequence[str]) -> None:
        """It holds for these paths only."""
        self._file = directory / "rebase.json"
        self._paths = tuple(paths)

    def get(self, find_out: Callable[[], timedelta]) -> timedelta:
        """The one that is kept; else the one found out, once it is on disk.

        Raises SpoolFull or SpoolUnusable.
        """
        kept = self._read()
        if kept is not None and kept.paths == self._paths:
            return kept.hours * _HOUR
        shift = find_out()
        try:
            write_durably(self._file, msgspec.json.encode(_Content(self._paths, shift // _HOUR)))
        except OSError as error:
            raise spool_error(error, self._file.parent) from error
        return shift

    def forget(self) -> None:
        """All is read. Raises SpoolUnusable."""
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            raise spool_error(error, self._file.parent) from error

    def _read(self) -> _Content | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Content)
        except (FileNotFoundError, msgspec.DecodeError):  # none, or one that somebody has edited
            return None
        except OSError as error:
            raise spool_error(error, self._file.parent) from error


class Rebased(Source):
    """A source whose shift is forgotten once it has ended and all of it is on disk."""

    def __init__(self, source: Source, kept: KeptShift) -> None:
        self.trouble = source.trouble
        self._source = source
        self._kept = kept
        self._has_ended = False
        self._is_on_disk = True

    def read(self) -> Chunk | None:
        """What the source gives."""
        chunk = self._source.read()
        self.trouble = self._source.trouble
        if chunk is None:
            self._has_ended = True
            self._forget_at_the_end()
        elif chunk.lines:
            self._is_on_disk = False
        return chunk

    def committed(self) -> Collection[str]:
        """All that was read is on disk."""
        self._is_on_disk = True
        self._forget_at_the_end()
        return self._source.committed()

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _forget_at_the_end(self) -> None:
        if self._has_ended and self._is_on_disk:
            self._kept.forget()
