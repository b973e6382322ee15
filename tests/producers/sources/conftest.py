from collections.abc import Callable
from pathlib import Path

import pytest

from producers.quarantine import Quarantine
from producers.reading.source import Opening
from tests.doubles.clock import ManualClock

Open = Callable[..., Opening]


@pytest.fixture
def opening(tmp_path: Path, clock: ManualClock) -> Open:
    """What a source may use, with the places of the time before; waits are drawn to be the longest."""

    def made(**places: str) -> Opening:
        return Opening(
            places=places,
            quarantine=Quarantine(tmp_path / "quarantine"),
            directory=tmp_path,
            clock=clock,
            draw=lambda: 0.999999,
            seal=lambda line, _source, _number: line,
            has_room=lambda _: True,
        )

    return made
