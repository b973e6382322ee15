"""Which log a file belongs to, and how old it is among its generations, by the names that rotation gives."""

import re
from pathlib import Path
from typing import NamedTuple

_COMPRESSED = re.compile(r"\.(gz|bz2|xz|zst|lz4|zip|Z)$")
_COUNTER = re.compile(r"(?P<log>.+)\.(?P<count>\d{1,5}|old)")
_DATE = re.compile(r"(?P<stem>.+?)[-._](?P<date>(\d{8}|\d{4}-\d\d)([-._T]?\d+)*)(?P<rest>\.[A-Za-z]\w*)?")


class Generation(NamedTuple):
    """`log` is the name without what rotation adds to it; `age` sorts the files of one log, oldest first."""

    log: str
    age: tuple[int, ...]

    @property
    def is_rotated(self) -> bool:
        """Whether the name says that it is no longer written."""
        return self.age[0] < _LIVE


_COUNTED, _DATED, _LIVE = 0, 1, 2


def generation(name: str) -> Generation:
    """`access.log.2.gz`, `access.log-20260102` and `access-2026-01-02.log` are of the log `access.log`."""
    plain = _COMPRESSED.sub("", name)
    if dated := _DATE.fullmatch(plain):
        numbers = re.findall(r"\d+", dated["date"])
        return Generation(dated["stem"] + (dated["rest"] or ""), (_DATED, *map(int, numbers)))
    if counted := _COUNTER.fullmatch(plain):
        count = 0 if counted["count"] == "old" else int(counted["count"])
        return Generation(counted["log"], (_COUNTED, -count))
    return Generation(plain, (_LIVE,))


def is_compressed(path: Path) -> bool:
    """Whether the name says that it is compressed."""
    return _COMPRESSED.search(path.name) is not None
