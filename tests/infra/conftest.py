import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.ops.clock import SystemClock
from infra.local import processes
from infra.local.stack import Stack
from infra.local.state import State


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
def state(tmp_path: Path, clock: SystemClock) -> Iterator[State]:
    """A state folder; whatever a test leaves running in it is killed."""
    state = State(tmp_path / ".headrace")
    yield state
    for name in processes.names(state):
        processes.stop(state, name, clock, patience=10)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def stack(state: State, clock: SystemClock, said: list[str]) -> Callable[..., Stack]:
    """Makes stacks on free ports, so that tests do not meet."""

    def make(**changes: Any) -> Stack:
        fields: dict[str, Any] = {
            "emulator_port": 0,
            "database_port": 0,
            "environ": dict(os.environ),
        } | changes
        return Stack(state=state, clock=clock, say=said.append, **fields)

    return make
