"""By how much to shift the event times of a log so that its newest is now."""

from datetime import datetime, timedelta

from producers.line_format import TimeOf
from producers.reading.source import Source

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
