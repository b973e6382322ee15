"""What was there before a source was first asked to follow: kept beside the spool, and lost with it."""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from producers.spool.budget import spool_error
from producers.spool.segment import sync_directory


class _Content(msgspec.Struct, frozen=True):
    patterns: frozenset[str] = frozenset()
    places: dict[str, int] = {}
    passed: frozenset[str] = frozenset()


class Beginning:
    """`places`: where files were taken up that are not read from their start; `passed`: never to be read."""

    def __init__(self, directory: Path | None) -> None:
        """Raises SpoolUnusable."""
        self._path = None if directory is None else directory / "beginning.json"
        content = _Content()
        try:
            if self._path is not None and self._path.exists():
                content = msgspec.json.decode(self._path.read_bytes(), type=_Content)
        except msgspec.DecodeError:
            pass  # it is written whole: an older version's, or damaged by hand; what is there begins anew
        except OSError as error:
            raise spool_error(error, self._path or Path()) from error
        self.patterns = set(content.patterns)
        self.places = dict(content.places)
        self.passed = set(content.passed)

    def places_beside(self, places: Mapping[str, str]) -> dict[str, str]:
        """What the spool says, and of what it has no line yet, where that begins."""
        return {name: str(place) for name, place in self.places.items()} | dict(places)

    def write(self, patterns: Iterable[str]) -> None:
        """Put it on disk; these patterns have begun. Raises SpoolFull or SpoolUnusable."""
        self.patterns.update(patterns)
        if self._path is None:
            return
        data = msgspec.json.encode(_Content(frozenset(self.patterns), self.places, frozenset(self.passed)))
        draft = self._path.with_suffix(".draft")
        try:
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            sync_directory(self._path.parent)
        except OSError as error:
            raise spool_error(error, self._path.parent) from error

    def forget(self, names: Collection[str]) -> None:
        """These contents are gone."""
        gone = [name for name in names if name in self.places or name in self.passed]
        if gone:
            for name in gone:
                self.places.pop(name, None)
                self.passed.discard(name)
            self.write(())
