"""What a stage held before its end began: a run that was cut off leaves it to the next one."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from infra.deployment.remainder import Held


class Journal:
    """One file; it is gone once the end is accounted for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Held]:
        """What is still to be accounted for."""
        return msgspec.json.decode(self._path.read_bytes(), type=list[Held]) if self._path.exists() else []

    def write(self, held: Sequence[Held]) -> None:
        """Keep this in the place of what was known; with nothing to keep, the file goes."""
        if not held:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(held))
        new.replace(self._path)
