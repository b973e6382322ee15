"""Follows logs for ever, through rotation, truncation and deletion, like `tail -F` with a memory."""

from collections import deque
from collections.abc import Callable, Collection, Sequence

from headrace.errors import SourceUnreadable
from producers.quarantine import Quarantine
from producers.reading.beginning import Beginning
from producers.reading.contents import Contents
from producers.reading.followed_file import GRACE_SECONDS, FollowedFile
from producers.reading.inventory import Inventory
from producers.reading.listing import Found
from producers.reading.open_files import OpenFiles
from producers.reading.source import NOTHING_NOW, Chunk, Source

_TOLD = 3


class FollowSource(Source):
    """All lines of all files that match: those of one log in order, the logs in turn."""

    def __init__(
        self,
        patterns: Sequence[str],
        contents: Contents,
        beginning: Beginning,
        quarantine: Quarantine,
        monotonic: Callable[[], float],
        *,
        from_end: bool,
        open_files: int,
    ) -> None:
        """Take stock of what is there. Raises SpoolFull or SpoolUnusable."""
        self._contents = contents
        self._beginning = beginning
        self._monotonic = monotonic
        self._inventory = Inventory(patterns, quarantine)
        self.open_files = OpenFiles(open_files)
        self._turns: deque[FollowedFile] = deque()
        self._begin(set(patterns), from_end=from_end and not beginning.patterns and not contents.known.places)

    def read(self) -> Chunk | None:
        """Lines of the next file that has some."""
        now = self._monotonic()
        if self._inventory.is_due(now):
            self._look(now)
        for _ in range(len(self._turns)):
            file = self._turns[0]
            self._turns.rotate(-1)
            chunk = self._guarded(file, now)
            if chunk is not None:
                return chunk
        return NOTHING_NOW

    def committed(self) -> Collection[str]:
        """Contents that are gone, and names that were replaced by longer ones."""
        listing = self._inventory.listing
        if listing.unmatched or listing.bad_folders:  # a volume may be away
            return self._contents.replaced()
        gone = self._contents.gone(self._monotonic())
        self._beginning.forget(gone)
        return gone | set(self._contents.replaced())

    def close(self) -> None:
        """Close all files."""
        for file in self._inventory.files.values():
            file.close()

    # -- one file

    def _guarded(self, file: FollowedFile, now: float) -> Chunk | None:
        """One file that cannot be read must not keep us from the others."""
        try:
            return self._read(file, now)
        except SourceUnreadable as error:
            file.fail(str(error), now)
            self._tell()
            return None
        finally:
            self.open_files.used(file)

    def _read(self, file: FollowedFile, now: float) -> Chunk | None:
        if not file.may_begin(now) and not file.is_truncated:  # a copy may wait for that to be settled
            return None
        if file.name is None and not file.is_truncated:
            if not file.has_begun(now):
                return None
            self._identify(file)
        chunk = None if file.is_silent or file.name is None else file.read(now)
        if chunk is None and file.is_truncated:
            chunk = self._begin_again(file, now)
        return None if chunk is None else self._contents.given(file, chunk)

    def _identify(self, file: FollowedFile) -> None:
        files = self._inventory.files.values()
        while (
            truncated := self._contents.identify(file, [it for it in files if it.is_truncated])
        ) is not None:
            truncated.is_truncated = True
            self._contents.release(truncated)

    def _begin_again(self, file: FollowedFile, now: float) -> Chunk | None:
        """The file was truncated: what was not read of it may stand in a copy, which is then read first."""
        if self._contents.release(file) is not None:
            self._look(now, force=True)
            if self._inventory.files.get(file.key) is not file:
                return None
        heir = self._heir(file, now)
        if heir is None:
            if self._inventory.is_settling(file.log):
                return None
            last = file.rest()
            if last is not None:
                return last
        file.restart()
        if file.head:
            self._identify(file)
        file.wait_for(heir or self._inventory.before(file), now)
        if heir is not None:
            heir.supersede(now - GRACE_SECONDS)
        return None

    def _heir(self, file: FollowedFile, now: float) -> FollowedFile | None:
        """Another file that goes on with what this one held."""
        self._contents.rename(self._inventory.files.values())
        if file.name is None:
            return None
        for other in list(self._inventory.files.values()):
            if other.is_silent and other.name == file.name:
                other.question()
            if other.name is None and other.log == file.log and not other.is_truncated:
                self._recognise([other], now)
        heir = self._contents.carrier(file.name)
        return None if heir is file else heir

    # -- all files

    def _look(self, now: float, *, force: bool = False) -> list[tuple[Found, FollowedFile]]:
        fresh = self._inventory.look(now, force=force)
        self._inventory.took(now, self._monotonic() - now)
        if fresh is None:
            return []
        self._contents.rename(self._inventory.files.values())
        while self._inventory.replaced:
            self._drop(self._inventory.replaced.pop())
        for file in list(self._inventory.files.values()):
            if file.is_finished:
                self._drop(file)
            elif file.name is None:
                self._contents.release(file)
        self._recognise([file for file in self._inventory.files.values() if file.name is None], now)
        self._inventory.arrange([file for _, file in fresh], now)
        files = self._inventory.files.values()
        self._turns = deque(file for file in files if not file.is_silent)
        self._contents.note([file.name for file in files if file.name is not None], now)
        self._tell()
        return fresh

    def _drop(self, file: FollowedFile) -> None:
        """Its content may stand in another file, say a compressed one."""
        self._inventory.drop(file)
        name = self._contents.release(file)
        for other in self._inventory.files.values():
            if name is not None and other.is_silent and other.name == name:
                other.question()

    def _recognise(self, unknown: list[FollowedFile], now: float) -> None:
        """Open what is new, so that it cannot get lost; known files come first, possible copies last."""
        by_name = sorted(unknown, key=lambda file: file.is_secondary)
        for step in (self._contents.recognise, self._identify):
            for file in by_name:
                try:
                    if file.name is None and not file.failed and file.has_begun(now):
                        step(file)
                except SourceUnreadable as error:
                    file.fail(str(error), now)
                self.open_files.used(file)

    def _tell(self) -> None:
        listing = self._inventory.listing
        told = [f"nothing matches {pattern}" for pattern in listing.unmatched]
        told += [f"{path}: {why}" for path, why in (listing.bad_folders | listing.bad_files).items()]
        told += [file.failed for file in self._inventory.files.values() if file.failed]
        more = f" (and {len(told) - _TOLD} more)" if len(told) > _TOLD else ""
        self.trouble = "; ".join(told[:_TOLD]) + more

    # -- the first look

    def _begin(self, patterns: set[str], *, from_end: bool) -> None:
        """Note what is there when patterns are followed for the first time, and is not to be read."""
        begun = patterns - self._beginning.patterns
        for found, file in self._look(self._monotonic(), force=True):
            if not found.patterns <= begun or file.name is None or file.is_silent:
                continue
            if not found.asked or (file.is_static and not self._inventory.is_literal(found.path)):
                self._beginning.passed.add(file.name)
                self._contents.release(file)
                self._take_up(file, file.place)
                file.silence(file.name)
            elif from_end and not file.is_static:
                self._take_up(file, file.end_of_lines())
        if begun:
            self._beginning.write(begun)
        self._turns = deque(file for file in self._inventory.files.values() if not file.is_silent)

    def _take_up(self, file: FollowedFile, place: int) -> None:
        name = str(file.name)
        self._beginning.places[name] = place
        self._contents.known.move(name, place)
        file.begin(name, place)
