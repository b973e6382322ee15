"""Which file carries which content, so that a copy, a renamed or a compressed file is not read twice."""

from collections.abc import Collection, Iterable, Sequence
from enum import Enum

from headrace.errors import SourceUnreadable
from producers.reading.fingerprint import FINGERPRINT_BYTES, Known, grows, inode_in, length_in, name_of
from producers.reading.followed_file import FollowedFile
from producers.reading.source import Chunk

_COMPARED_BYTES = 4096
_KEPT_NAMES = 256  # of contents that are gone: a file may be moved away, compressed and moved back
_KEPT_SECONDS = 86_400.0


class _Verdict(Enum):
    COPY = "it holds the same"
    OTHER = "it holds something else"
    TRUNCATED = "the original holds something else by now"
    UNKNOWN = "the original cannot be read now"


class Contents:
    """What is known of each content, and by which file it is read."""

    def __init__(self, known: Known, passed: Collection[str]) -> None:
        """`passed` are the names of what is never read."""
        self.known = known
        self._passed = passed
        self._carriers: dict[str, FollowedFile] = {}
        self._carried: dict[tuple[int, int], str] = {}
        self._gone: dict[str, float] = {}
        self._replaced: set[str] = set()
        self._renamed: dict[str, str] = {}

    def carrier(self, name: str) -> FollowedFile | None:
        """The file that this content is read from."""
        return self._carriers.get(name)

    def recognise(self, file: FollowedFile) -> bool:
        """Whether it is by its inode and head a file that was read before; then it goes on there."""
        name = self.known.same(file.key[1], file.head, None if file.is_static else file.size())
        if name is None or self._carriers.get(name, file) is not file:
            return False
        self._assign(file, name)
        return True

    def identify(self, file: FollowedFile, truncated: Sequence[FollowedFile]) -> FollowedFile | None:
        """Find out what it carries; returns a file that must be looked at first, since it was truncated.

        It may stay without a name while it may be a copy of what one of the `truncated` holds by now.
        """
        if self.recognise(file):
            return None
        file.open()
        if file.is_secondary and any(_holds_now(it, file) for it in truncated):
            return None
        for name in self._originals(file):
            carrier = self._carriers.get(name)
            if carrier is None and self._goes_on(file, name):
                self._assign(file, name)
                return None
            if carrier is not None and carrier.log == file.log and file.is_secondary:
                verdict = _compare(file, carrier)
                if verdict is _Verdict.COPY:
                    file.silence(name)
                if verdict is not _Verdict.OTHER:
                    return carrier if verdict is _Verdict.TRUNCATED else None
        original = self._written_anew(file)
        if original is None:
            self._carry(file, name_of(file.key[1], file.head), 0)
        return original

    def release(self, file: FollowedFile) -> str | None:
        """It carries its content no longer; another file may."""
        name = self._carried.pop(file.key, None)
        if name is not None and self._carriers.get(name) is file:
            del self._carriers[name]
            if name not in self.known.places:
                self.known.move(name, file.place)  # nothing was given out: a copy begins at its start
        return name

    def given(self, file: FollowedFile, chunk: Chunk) -> Chunk:
        """These lines are given out: under the longest name that their file can have by now."""
        name, longest = file.name or "", name_of(file.key[1], file.head)
        is_first = self.known.places.get(name, 0) == 0 or inode_in(name) != file.key[1]
        if name != longest and (is_first or grows(name, file.head)):
            self._carriers.pop(name, None)
            if name in self.known.places:
                self.known.forget(name)
                self._replaced.add(name)
            self._renamed.pop(longest, None)
            self._renamed[name] = longest
            name = file.name = longest
            self._carriers[name], self._carried[file.key] = file, name
        self._replaced.discard(name)
        self.known.move(name, file.place)
        return chunk._replace(input=name)

    def rename(self, files: Iterable[FollowedFile]) -> None:
        """Copies, and files that lost their content, follow its name when it grows."""
        if not self._renamed:
            return
        for file in files:
            while file.name in self._renamed:
                file.name = self._renamed[file.name]
        self._renamed.clear()

    def note(self, present: Collection[str], now: float) -> None:
        """Only these contents have a file."""
        names = set(present)
        for name in names:
            self._gone.pop(name, None)
        for name in self.known.places:
            if name not in names:
                self._gone.setdefault(name, now)

    def gone(self, now: float) -> set[str]:
        """Names of contents that have had no file for long enough; they are known no longer."""
        names = sorted(self._gone, key=self._gone.__getitem__)
        kept = names[-_KEPT_NAMES:]
        old = set(names[: len(names) - len(kept)])
        old.update(name for name in kept if now - self._gone[name] > _KEPT_SECONDS)
        for name in old:
            del self._gone[name]
            self.known.forget(name)
        return old

    def replaced(self) -> set[str]:
        """Names in whose stead longer ones have been given out since the last call."""
        replaced, self._replaced = self._replaced, set()
        for name in replaced:
            self._gone.pop(name, None)
        return replaced

    def _originals(self, file: FollowedFile) -> list[str]:
        """Names of contents that it may be a copy of, be it one that is just being made."""
        live = [
            name
            for name, it in self._carriers.items()
            if it.log == file.log
            and not (it.is_secondary and name in self.known.places)
            and _begin_alike(it.head, file.head)
        ]
        return live + [name for name in self.known.alike(file.head) if name not in live]

    def _written_anew(self, file: FollowedFile) -> FollowedFile | None:
        """A file that was truncated, which nobody has seen yet, and now holds what was copied to this one."""
        if not file.is_secondary:
            return None
        others = (it for it in self._carriers.values() if it.log == file.log and not it.is_secondary)
        return next(
            (it for it in others if not _begin_alike(it.head, file.head) and _holds_now(it, file)), None
        )

    def _assign(self, file: FollowedFile, name: str) -> None:
        place = self.known.places[name]
        if name in self._passed or _is_read(file, place):
            file.silence(name)
        else:
            self._carry(file, name, place)

    def _carry(self, file: FollowedFile, name: str, place: int) -> None:
        before = self._carried.get(file.key)
        if before != name and self._carriers.get(before or "") is file:
            del self._carriers[before or ""]
        self._carriers[name], self._carried[file.key] = file, name
        file.begin(name, place)

    def _goes_on(self, file: FollowedFile, name: str) -> bool:
        """Whether a file of another inode holds a content that has lost its file."""
        if length_in(name) < FINGERPRINT_BYTES and not file.is_secondary:
            return False
        place = self.known.places[name]
        if file.is_static:
            return True
        if file.size() < place:
            return file.is_secondary
        return place in (0, file.size()) or file.open().at(place - 1, 1) == b"\n"


def _is_read(file: FollowedFile, place: int) -> bool:
    """Whether a file that does not grow holds nothing behind this place."""
    if file.is_static:
        return file.open().length_of_gzip() == place % 2**32
    return file.is_secondary and file.size() < place


def _ends_alike(file: FollowedFile, other: FollowedFile) -> bool:
    """Whether the end of one stands in the other at the same place; a compressed one by its head."""
    if file.is_static or other.is_static:
        return other.head.startswith(file.head)
    start = max(file.size() - _COMPARED_BYTES, 0)
    end = file.open().at(start, _COMPARED_BYTES)
    return other.open().at(start, len(end)) == end


def _compare(file: FollowedFile, original: FollowedFile) -> _Verdict:
    """What a file is beside another that is read; that one may have been truncated, or renamed just now."""
    try:
        if not original.is_still_intact():
            return _Verdict.TRUNCATED
        is_copy = _ends_alike(file, original)
        if not original.is_still_intact():
            return _Verdict.TRUNCATED
    except SourceUnreadable:
        return _Verdict.UNKNOWN
    return _Verdict.COPY if is_copy else _Verdict.OTHER


def _holds_now(truncated: FollowedFile, file: FollowedFile) -> bool:
    try:
        return truncated.log == file.log and truncated.open().at(0, len(file.head)) == file.head
    except SourceUnreadable:
        return True  # nobody knows yet


def _begin_alike(head: bytes, other: bytes) -> bool:
    return head.startswith(other) or other.startswith(head)
