"""Where a file stands among the files of its log: the older ones are read first."""

from pathlib import Path

from producers.reading.listing import Found
from producers.reading.rotation import Generation, generation, is_compressed

_LONGEST_WAIT = 30.0  # for an older file of the same log: order matters less than that lines come


class LogFile:
    """`waits_for` is an older file of the same log; `missing` counts the looks that did not find it."""

    def __init__(self, found: Found, now: float) -> None:
        self.key = found.key
        self.waits_for: LogFile | None = None
        self.superseded_at: float | None = None
        self._waits_since = now
        self._is_gzip = False
        self.stand_at(found)

    def stand_at(self, found: Found) -> None:
        """It was found there."""
        self.path: Path = found.path
        self.missing = 0
        self.generation: Generation = generation(found.path.name)
        self.log = str(found.path.with_name(self.generation.log))

    @property
    def order(self) -> tuple[bool, tuple[int, ...]]:
        """Among the files of its log, the oldest first: what is gone, then by name."""
        return self.missing <= 1, self.generation.age

    @property
    def is_over(self) -> bool:
        """Whether the next file of its log may be begun."""
        raise NotImplementedError

    @property
    def is_static(self) -> bool:
        """Whether it is compressed, and so never grows."""
        return self._is_gzip or is_compressed(self.path)

    @property
    def is_secondary(self) -> bool:
        """Whether its name says that it was made from another file."""
        return self.generation.is_rotated or self.is_static

    def may_begin(self, now: float) -> bool:
        """Whether it waits for no older file; an inode that is used again may turn the order round."""
        older = self.waits_for
        late = now > self._waits_since + _LONGEST_WAIT
        if older is None or older.is_over or older.order > self.order or late:
            self.waits_for = None
        return self.waits_for is None

    def wait_for(self, older: "LogFile | None", now: float) -> None:
        """Begin only when that one is over."""
        self.waits_for, self._waits_since = older, now
