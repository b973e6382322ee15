"""Files as a source: one after the other to the end, or followed as they grow and rotate."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from headrace.errors import SourceUnreadable
from headrace.ops.settings import Setting
from producers.quarantine import Quarantine
from producers.reading.beginning import Beginning
from producers.reading.contents import Contents
from producers.reading.fingerprint import Known, name_of
from producers.reading.following import FollowSource
from producers.reading.input_file import InputFile
from producers.reading.listing import Listing, is_literal
from producers.reading.rotation import generation
from producers.reading.source import READ_BYTES, Chunk, Opening, Source
from producers.reading.splitter import LineSplitter

FORMAT = "access-log"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Which files, and for how long."""

    paths: Annotated[
        tuple[str, ...],
        msgspec.Meta(min_length=1),
        Setting("HEADRACE_PATHS", "the files to read, or globs; in the environment separated by :"),
    ]
    follow: Annotated[
        bool, Setting("HEADRACE_FOLLOW", "go on reading as the files grow and rotate, like tail -F")
    ] = False
    from_end: Annotated[
        bool, Setting("HEADRACE_FROM_END", "followed for the first time ever, begin at the end of each file")
    ] = False
    open_files: Annotated[
        Annotated[int, msgspec.Meta(ge=1)],
        Setting("HEADRACE_OPEN_FILES", "how many followed files may be open at a time"),
    ] = 256


def open_source(settings: Settings, opening: Opening) -> Source:
    """The files, to their end or for ever. Raises SourceUnreadable, SpoolFull or SpoolUnusable."""
    if not settings.follow:
        return FileSource(settings.paths, opening.places, opening.quarantine)
    beginning = Beginning(opening.directory)
    known = Known(beginning.places_beside(opening.places))
    return FollowSource(
        settings.paths,
        Contents(known, beginning.passed),
        beginning,
        opening.quarantine,
        opening.clock.monotonic,
        from_end=settings.from_end,
        open_files=settings.open_files,
    )


class FileSource(Source):
    """Replays each file once, in the order given, those of a glob oldest first, and ends."""

    def __init__(self, patterns: Sequence[str], places: Mapping[str, str], quarantine: Quarantine) -> None:
        """Open every file, so that a bad one is known at once. Raises SourceUnreadable."""
        self._paths = [path for pattern in patterns for path in self._expand(pattern)]
        self._known = Known(places)
        self._quarantine = quarantine
        self._reading: _Reading | None = None

    def read(self) -> Chunk | None:
        """The next lines; None when all files are read."""
        while True:
            if self._reading is None:
                if not self._paths:
                    return None
                self._reading = _Reading(self._paths.pop(0), self._known, self._quarantine)
            chunk = self._reading.next_chunk()
            if chunk is not None:
                return chunk
            self._reading.file.close()
            self._reading = None

    def close(self) -> None:
        """Close the file that is being read."""
        if self._reading is not None:
            self._reading.file.close()

    def _expand(self, pattern: str) -> list[Path]:
        if is_literal(pattern):
            InputFile(Path(pattern)).close()
            return [Path(pattern)]
        listing = Listing([pattern])
        found = [it.path for it in listing.look(force=True) or () if it.asked]
        if not found:
            raise SourceUnreadable(f"nothing matches {pattern}. Check the path, and whether you may list it")
        good = []
        for path in sorted(found, key=lambda path: (path.parent, generation(path.name))):
            try:
                InputFile(path).close()
                good.append(path)
            except SourceUnreadable as error:
                listing.bad_files[str(path)] = str(error)
        told = [f"{path} is left out: {why}" for path, why in listing.bad_files.items()]
        self.trouble = "; ".join(filter(None, [self.trouble, *told]))
        return good


class _Reading:
    """A file that is read to its end, and the lines that it is cut into."""

    def __init__(self, path: Path, known: Known, quarantine: Quarantine) -> None:
        self.file = InputFile(path)
        self._known = known
        self._name = known.same(self.file.inode, self.file.head, None)
        place = known.places[self._name] if self._name is not None else 0
        self.file.seek(place)
        self._splitter = LineSplitter(place, quarantine)
        self._has_ended = False

    def next_chunk(self) -> Chunk | None:
        """The next lines; the last may lack its line feed. None at the end."""
        while not self._splitter.is_ready:
            if self._has_ended:
                return None
            self._more()
        if self._name is None:
            self.file.is_intact()  # it may have been empty, or short, when it was opened
            self._name = name_of(self.file.inode, self.file.head)
        chunk = self._splitter.chunk(self._name)
        self._known.move(self._name, int(chunk.places[-1]))
        return chunk

    def _more(self) -> None:
        if self._splitter.blocked:
            self._splitter.feed(b"")
        elif data := self.file.read(READ_BYTES):
            self._splitter.feed(data)
        else:
            self._splitter.finish()
            self._has_ended = True
