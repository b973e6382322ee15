from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from batch_jobs.load_warehouse.loader import Loader
from batch_jobs.load_warehouse.staging import streamed
from batch_jobs.storage import Storage
from headrace.warehouse.opening import open_session
from headrace.warehouse.probe import Probe, no_probe
from headrace.warehouse.session import Session
from tests.doubles.clock import ManualClock
from tests.warehouse.conftest import _prepared, databases, engine, server, sql, url  # noqa: F401  PostgreSQL

Loaders = Callable[..., Loader]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "batch root"), {})


@pytest.fixture
def loaders(url: str, storage: Storage, clock: ManualClock) -> Iterator[Loaders]:  # noqa: F811  the fixture
    """Makes loaders on the test's database."""
    sessions: list[Session] = []

    def make(probe: Probe = no_probe, at: str = url) -> Loader:
        sessions.append(open_session(at))
        return Loader(sessions[-1], storage, clock, streamed(storage), probe=probe)

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def loader(loaders: Loaders) -> Loader:
    return loaders()
