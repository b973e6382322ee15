"""Which files there are that paths and globs ask for; a folder that has not changed is not listed again."""

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from glob import has_magic
from pathlib import Path
from stat import S_ISDIR
from typing import NamedTuple

from producers.reading.rotation import generation

_TRIES = 5  # while files are renamed, a listing may miss one or show it twice


class Found(NamedTuple):
    """A file; `asked` by its own name and not only as a rotated generation of a log that is asked for."""

    path: Path
    status: os.stat_result
    asked: bool
    patterns: frozenset[str]

    @property
    def key(self) -> tuple[int, int]:
        """What tells it from all other files that there are now."""
        return self.status.st_dev, self.status.st_ino


class _Folder(NamedTuple):
    changed_ns: int
    is_sure: bool  # listed again, later, and nothing had changed
    names: list[str]
    folders: list[str]


class Listing:
    """Looks for what matches; each look is compared with the one before by the folders' change times."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = {pattern: _parts(pattern) for pattern in patterns}
        self._folders: dict[str, _Folder] = {}
        self._has_changed = False
        self.bad_folders: dict[str, str] = {}
        """Folders that cannot be listed now, and why: what was in them may still be there."""
        self.bad_files: dict[str, str] = {}
        """What matched and is no file, or a closed one, and why."""
        self.unmatched: list[str] = []

    def look(self, *, force: bool = False) -> list[Found] | None:
        """All files that match; None when no folder has changed since the last look."""
        if force:
            self._folders.clear()
        self._has_changed = force
        self.bad_folders.clear()
        names = [
            (pattern, folder, parts[-1])
            for pattern, parts in self._patterns.items()
            for folder in self._below(parts[0], parts[1:-1])
        ]
        listed = {folder: self._list(folder) for _, folder, _ in names}
        return self._find(names, listed) if self._has_changed else None

    def _find(self, names: list[tuple[str, str, str]], listed: dict[str, _Folder]) -> list[Found]:
        asked: dict[Path, tuple[bool, set[str]]] = {}
        matched = set()
        self.bad_files.clear()
        for pattern, folder, part in names:
            for name in listed[folder].names:
                whole = _matches(name, part)
                if whole or (generation(name).is_rotated and _matches(generation(name).log, part)):
                    before, patterns = asked.get(Path(folder, name), (False, set()))
                    asked[Path(folder, name)] = (before or whole, patterns | {pattern})
                    matched.add(pattern)
        self.unmatched = [pattern for pattern in self._patterns if pattern not in matched]
        found: dict[tuple[int, int], Found] = {}
        for path, (whole, patterns) in sorted(asked.items(), key=lambda item: item[0].is_symlink()):
            it = self._status(path, asked=whole, patterns=frozenset(patterns))
            if it is not None:
                found.setdefault(it.key, it)
        return list(found.values())

    def _status(self, path: Path, *, asked: bool, patterns: frozenset[str]) -> Found | None:
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            self.bad_files[str(path)] = error.strerror or str(error)
            return None
        if S_ISDIR(status.st_mode):
            if asked:
                self.bad_files[str(path)] = "it is a directory"
            return None
        return Found(path, status, asked, patterns)

    def _below(self, folder: str, parts: Sequence[str]) -> Iterator[str]:
        """The folders that the middle of a pattern stands for."""
        if not parts:
            yield folder
            return
        part, rest = parts[0], parts[1:]
        if part == "**":
            yield from self._below(folder, rest)
            for name in self._list(folder).folders:
                if not name.startswith(".") and not Path(folder, name).is_symlink():
                    yield from self._below(f"{folder}/{name}", parts)
        elif not has_magic(part):
            yield from self._below(f"{folder}/{part}", rest)
        else:
            for name in self._list(folder).folders:
                if _matches(name, part):
                    yield from self._below(f"{folder}/{name}", rest)

    def _list(self, folder: str) -> _Folder:
        before = self._folders.get(folder)
        try:
            changed = Path(folder).stat().st_mtime_ns
            if before is not None and before.changed_ns == changed and before.is_sure:
                return before
            self._has_changed = True
            is_sure = before is not None and before.changed_ns == changed
            for _ in range(_TRIES):
                listed = _scan(folder, changed, is_sure=is_sure)
                again = Path(folder).stat().st_mtime_ns
                if again == changed:
                    break
                changed, is_sure = again, False
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self.bad_folders[folder] = error.strerror or str(error)
            self._has_changed = self._has_changed or before is not None
            self._folders.pop(folder, None)
            return _Folder(0, is_sure=False, names=[], folders=[])
        self._folders[folder] = listed
        return listed


def _scan(folder: str, changed_ns: int, *, is_sure: bool) -> _Folder:
    names, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            names.append(entry.name)
            if entry.is_dir():
                folders.append(entry.name)
    return _Folder(changed_ns, is_sure, names, folders)


def is_literal(pattern: str) -> bool:
    """Whether it is a path and no glob."""
    return not has_magic(pattern) or os.path.lexists(pattern)


def _parts(pattern: str) -> list[str]:
    """The folder down to the first wildcard, the parts after it, the name."""
    path = Path(pattern)
    if is_literal(pattern):
        return [str(path.parent), re.sub(r"([*?[])", r"[\1]", path.name)]
    fixed = path.parent
    middle: list[str] = []
    while has_magic(str(fixed)):
        middle.insert(0, fixed.name)
        fixed = fixed.parent
    return [str(fixed), *middle, path.name]


def _matches(name: str, part: str) -> bool:
    if name.startswith(".") and not part.startswith("."):
        return False
    return fnmatch.fnmatchcase(name, part)
