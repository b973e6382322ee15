"""The files that are followed: which are new, have moved, or are gone, and which comes before which."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path
from stat import S_ISREG

from producers.quarantine import Quarantine
from producers.reading.followed_file import FollowedFile
from producers.reading.listing import Found, Listing, is_literal
from producers.reading.rotation import generation, is_compressed

_LOOK_SECONDS, _LOOK_SHARE = 0.1, 20  # between two looks at the folders; looking takes a 20th of the time
_SURE_SECONDS, _SURE_SHARE = 5.0, 200  # between two listings of folders that do not seem to have changed
_SETTLE_SECONDS = 1.0  # so long a compressed file must stand still: it may just be made
_LONG_AGO = 3600.0  # what was rotated before we came waits for nothing


class Inventory:
    """Compares look with look."""

    def __init__(self, patterns: Sequence[str], quarantine: Quarantine) -> None:
        self.listing = Listing(patterns)
        self.files: dict[tuple[int, int], FollowedFile] = {}
        self.replaced: list[FollowedFile] = []
        """Files whose inode holds another by now; to be dropped."""
        self._literal = {Path(pattern) for pattern in patterns if is_literal(pattern)}
        self._quarantine = quarantine
        self._next_look = self._next_sure = float("-inf")
        self._unsettled: dict[tuple[int, int], tuple[str, tuple[int, int], float]] | None = None
        self._is_first = True
        self._newest_ns = 0  # the newest change that the last look saw

    def is_due(self, now: float) -> bool:
        """Whether to look again."""
        return now >= self._next_look

    def took(self, now: float, seconds: float) -> None:
        """The look at `now` took so long: the next ones are so far apart that they cost little."""
        self._next_look = now + max(_LOOK_SECONDS, _LOOK_SHARE * seconds)
        self._next_sure = max(self._next_sure, now + _SURE_SHARE * seconds)

    def is_literal(self, path: Path) -> bool:
        """Whether it is asked for by its very name."""
        return path in self._literal

    def look(self, now: float, *, force: bool = False) -> list[tuple[Found, FollowedFile]] | None:
        """What is new, oldest first; None when nothing can have changed."""
        force = force or now >= self._next_sure or bool(self._unsettled)
        found = self.listing.look(force=force)
        if found is None:
            return None
        if force:
            self._next_sure = now + _SURE_SECONDS
        is_first = self._unsettled is None
        fresh = []
        for it in found:
            file = self.files.get(it.key)
            if file is not None and file.is_another(it, self._newest_ns):
                self.replaced.append(self.files.pop(it.key))
                file = None
            if file is not None:
                file.moved(it)
            elif self._is_readable(it) and (is_first or self._is_settled(it, now)):
                self.files[it.key] = FollowedFile(it, self._quarantine, now)
                fresh.append((it, self.files[it.key]))
        self._newest_ns = max((it.status.st_ctime_ns for it in found), default=0)
        present = {it.key for it in found}
        self._miss(present)
        self._unsettled = {
            key: it for key, it in (self._unsettled or {}).items() if key in present and key not in self.files
        }
        self._is_first = is_first
        return fresh

    def drop(self, file: FollowedFile) -> None:
        """It is gone and read to its end."""
        file.close()
        file.is_silent = True  # nothing waits for it
        if self.files.get(file.key) is file:
            del self.files[file.key]

    def _miss(self, present: set[tuple[int, int]]) -> None:
        for key, file in self.files.items():
            if key not in present and str(file.path.parent) not in self.listing.bad_folders:
                file.missing += 1

    def _is_readable(self, found: Found) -> bool:
        if self.is_literal(found.path):
            return True
        return S_ISREG(found.status.st_mode) and (not is_compressed(found.path) or found.path.suffix == ".gz")

    def _is_settled(self, found: Found, now: float) -> bool:
        """Whether it may be opened: a compressed file only when nobody writes it any more."""
        if not is_compressed(found.path) or self._unsettled is None:
            return True
        stamp = (found.status.st_size, found.status.st_mtime_ns)
        log = str(found.path.with_name(generation(found.path.name).log))
        _, before, since = self._unsettled.get(found.key, (log, None, now))
        if before != stamp:
            self._unsettled[found.key] = (log, stamp, now)
            return False
        return now - since >= _SETTLE_SECONDS

    def is_settling(self, log: str) -> bool:
        """Whether a file of this log is just being compressed."""
        return any(name == log for name, _, _ in (self._unsettled or {}).values())

    def before(self, file: FollowedFile) -> FollowedFile | None:
        """The next older file of its log."""
        older = [
            it
            for it in self.files.values()
            if it.log == file.log and not it.is_silent and it.generation.age < file.generation.age
        ]
        return max(older, key=lambda it: it.generation.age, default=None)

    def arrange(self, fresh: Collection[FollowedFile], now: float) -> None:
        """The files of a log wait for one another; all but the newest are no longer written for long."""
        logs: dict[str, list[FollowedFile]] = defaultdict(list)
        keys = {file.key for file in fresh}
        since = now - _LONG_AGO if self._is_first else now
        for file in self.files.values():
            if not file.is_silent:
                logs[file.log].append(file)
        for files in logs.values():
            files.sort(key=lambda file: file.order)
            files[-1].superseded_at = None
            for older, newer in pairwise(files):
                older.supersede(since)
                if newer.key in keys:
                    newer.wait_for(older, now)
