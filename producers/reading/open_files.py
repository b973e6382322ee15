"""So many files are open at most: those used least recently are closed, and opened again when needed."""

from producers.reading.followed_file import FollowedFile


class OpenFiles:
    """Knows the files that are open; those that are gone or hold a half-taken line may exceed the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._files: dict[tuple[int, int], FollowedFile] = {}

    def __len__(self) -> int:
        return sum(file.file is not None for file in self._files.values())

    def used(self, file: FollowedFile) -> None:
        """It may have been opened."""
        if file.file is None:
            return
        self._files[file.key] = file
        if len(self._files) > self._limit:
            self._close_some(file)

    def _close_some(self, last: FollowedFile) -> None:
        self._files = {key: file for key, file in self._files.items() if file.file is not None}
        closable = [file for file in self._files.values() if file.may_close and file is not last]
        closable.sort(key=lambda file: (not file.is_at_end, file.used_at))
        for file in closable[: max(len(self._files) - self._limit, 0)]:
            file.close()
            del self._files[file.key]
