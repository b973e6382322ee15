"""Files as a source: one after the other to the end, or followed as they grow and rotate, like `tail -F`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from headrace.errors import SourceUnreadable
from headrace.ops.settings import Setting
from producers.quarantine import Quarantine
from producers.reading.input_file import InputFile
from producers.reading.source import NOTHING_NOW, READ_BYTES, Chunk, Opening, Source
from producers.reading.splitter import LineSplitter

FORMAT = "access-log"

_ROTATION_GRACE_SECONDS = 1.0  # a server goes on writing to the rotated file until it opens the new one


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Which files, and for how long."""

    paths: Annotated[
        tuple[str, ...],
        msgspec.Meta(min_length=1),
        Setting("HEADRACE_PATHS", "the files to read; in the environment separated by :"),
    ]
    follow: Annotated[
        bool, Setting("HEADRACE_FOLLOW", "go on reading as the files grow and rotate, like tail -F")
    ] = False


def open_source(settings: Settings, opening: Opening) -> Source:
    """The files, to their end or for ever. Raises SourceUnreadable."""
    paths = [Path(path) for path in settings.paths]
    if settings.follow:
        return FollowSource(paths, opening.places, opening.quarantine, opening.clock.monotonic)
    return FileSource(paths, opening.places, opening.quarantine)


class FileSource(Source):
    """Replays each path once, in the order given, and ends."""

    def __init__(self, paths: Sequence[Path], positions: Mapping[str, str], quarantine: Quarantine) -> None:
        """Open every file, so that a bad one is known at once. Raises SourceUnreadable."""
        for path in paths:
            InputFile(path).close()
        self._paths = list(paths)
        self._positions = dict(positions)
        self._quarantine = quarantine
        self._reading: _Reading | None = None

    def read(self) -> Chunk | None:
        """The next lines; None when all files are read."""
        while True:
            if self._reading is None:
                if not self._paths:
                    return None
                path = self._paths.pop(0)
                self._reading = _Reading(InputFile(path), self._positions, self._quarantine)
            chunk = self._reading.next_chunk()
            if chunk is not None:
                self._positions[chunk.input] = chunk.places[-1].decode()
                return chunk
            if not self._reading.finish():
                self._reading.file.close()
                self._reading = None

    def close(self) -> None:
        """Close the file that is being read."""
        if self._reading is not None:
            self._reading.file.close()


class FollowSource(Source):
    """Follows each path for ever; a rotated file is read to its end before the new one is begun."""

    def __init__(
        self,
        paths: Sequence[Path],
        positions: Mapping[str, str],
        quarantine: Quarantine,
        monotonic: Callable[[], float],
    ) -> None:
        """Open every file. Raises SourceUnreadable."""
        self._tails = [_Tail(path, dict(positions), quarantine, monotonic) for path in paths]

    def read(self) -> Chunk | None:
        """Lines of the next file that has some."""
        for _ in self._tails:
            self._tails.append(self._tails.pop(0))
            chunk = self._tails[-1].read()
            if chunk is not None:
                return chunk
        return NOTHING_NOW

    def close(self) -> None:
        """Close all files."""
        for tail in self._tails:
            tail.close()


class _Reading:
    """A file, and the lines that it is cut into."""

    def __init__(self, file: InputFile, positions: Mapping[str, str], quarantine: Quarantine) -> None:
        self.file = file
        self._positions = positions
        name = file.name_among(positions)
        offset = int(positions.get(name, "0")) if name is not None else 0
        file.seek(offset)
        self._splitter = LineSplitter(offset, quarantine)

    def next_chunk(self) -> Chunk | None:
        """The next complete lines; None at the end of what is there."""
        while True:
            chunk = self._pop()
            if chunk is not None:
                return chunk
            data = b"" if self._splitter.blocked else self.file.read(READ_BYTES)
            if not data and not self._splitter.blocked:
                return None
            self._splitter.feed(data)

    def finish(self) -> bool:
        """The file has ended: its last line may lack its line feed. Whether that gave a line."""
        self._splitter.finish()
        return self._splitter.is_ready

    def _pop(self) -> Chunk | None:
        if not self._splitter.is_ready:
            return None
        return self._splitter.chunk(self.file.name_among(self._positions) or "")


class _Tail:
    """One followed path."""

    def __init__(
        self,
        path: Path,
        positions: dict[str, str],
        quarantine: Quarantine,
        monotonic: Callable[[], float],
    ) -> None:
        self._path = path
        self._positions = positions
        self._quarantine = quarantine
        self._monotonic = monotonic
        self._rotated_at: float | None = None
        current = InputFile(path)
        self._waiting = [*self._unfinished_before(current), current]  # oldest first
        self._reading = self._open(self._waiting.pop(0))

    def read(self) -> Chunk | None:
        """The next lines; None when there are none now."""
        chunk = self._reading.next_chunk()
        if chunk is None and self._has_ended():
            if self._reading.finish():
                chunk = self._reading.next_chunk()
            else:
                self._go_on()
        if chunk is not None:
            self._positions[chunk.input] = chunk.places[-1].decode()
        return chunk

    def close(self) -> None:
        """Close the file, and those that wait."""
        for file in (self._reading.file, *self._waiting):
            file.close()

    def _open(self, file: InputFile) -> _Reading:
        self._rotated_at = None
        return _Reading(file, self._positions, self._quarantine)

    def _go_on(self) -> None:
        try:
            following = self._waiting.pop(0) if self._waiting else InputFile(self._path)
        except SourceUnreadable:
            return  # gone again within a blink: the next look will find it
        self._reading.file.close()
        self._reading = self._open(following)

    def _has_ended(self) -> bool:
        """Whether no more will come in the file that is being read."""
        if self._waiting or self._reading.file.was_truncated():
            return True
        try:
            inode = self._path.stat().st_ino
        except OSError:
            return False  # moved away, and the new one is not there yet
        if inode == self._reading.file.inode:
            self._rotated_at = None
            return False
        if self._rotated_at is None:
            self._rotated_at = self._monotonic()
        return self._monotonic() - self._rotated_at >= _ROTATION_GRACE_SECONDS

    def _unfinished_before(self, current: InputFile) -> list[InputFile]:
        """Files that were rotated while no producer ran and are not read to their end, oldest first."""
        found = []
        for path in self._path.parent.glob(f"{self._path.name}?*"):
            inode = path.stat().st_ino
            if inode == current.inode or not any(name.startswith(f"{inode:x}.") for name in self._positions):
                continue
            file = InputFile(path)
            name = file.name_among(self._positions)
            if name in self._positions and int(self._positions[str(name)]) < path.stat().st_size:
                found.append((path.stat().st_mtime, file))
            else:
                file.close()
        return [file for _, file in sorted(found, key=lambda pair: pair[0])]
