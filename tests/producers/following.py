"""A followed source as its reader drives it: lines count once committed, and a stop forgets the rest."""

from pathlib import Path

from headrace.ops.clock import Clock
from producers.quarantine import Kept, Quarantine
from producers.reading.following import FollowSource
from producers.reading.source import Opening
from producers.sources.file import Settings, open_source


class Following:
    """`lines` are committed, `places` what the spool hands back at the next start."""

    def __init__(self, state: Path, clock: Clock, *patterns: Path | str, **settings: object) -> None:
        self.clock = clock
        self.lines: list[bytes] = []
        self.places: dict[str, str] = {}
        self.forgotten: set[str] = set()
        self._state = state
        self._settings = {"paths": tuple(map(str, patterns)), "follow": True} | settings
        self._taken: list[bytes] = []
        self._moved: dict[str, str] = {}
        self.source = self._open()

    def read(self, times: int = 1) -> None:
        for _ in range(times):
            chunk = self.source.read()
            assert chunk is not None
            for line in chunk.lines:
                assert not isinstance(line, Kept)
                self._taken.append(line)
            if chunk.lines:
                self._moved[chunk.input] = chunk.places[-1].decode()

    def commit(self) -> None:
        self.lines += self._taken
        self.places |= self._moved
        self._taken, self._moved = [], {}
        for name in self.source.committed():
            self.forgotten.add(name)
            self.places.pop(name, None)

    def take(self, *, seconds: float = 0.0, reads: int = 12) -> list[bytes]:
        """What is new, after a while."""
        before = len(self.lines)
        self.clock.sleep(seconds)
        self.read(reads)
        self.commit()
        return self.lines[before:]

    def settle(self) -> list[bytes]:
        """What is new once all folders were looked at for certain, and all waiting is over."""
        before = len(self.lines)
        for _ in range(4):
            self.take(seconds=6.0, reads=40)
        return self.lines[before:]

    def restart(self) -> None:
        """Killed between two steps: what was not committed is taken again."""
        self.close()
        self._taken, self._moved = [], {}
        self.source = self._open()

    def close(self) -> None:
        self.source.close()

    def _open(self) -> FollowSource:
        opening = Opening(
            places=dict(self.places),
            quarantine=Quarantine(self._state / "quarantine"),
            directory=self._state,
            clock=self.clock,
            draw=lambda: 0.5,
            seal=lambda line, _source, _number: line,
            has_room=lambda _size: True,
        )
        source = open_source(Settings(**self._settings), opening)  # type: ignore[arg-type]
        assert isinstance(source, FollowSource)
        return source
