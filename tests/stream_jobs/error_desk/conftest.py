import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from headrace.ops.clock import SystemClock
from infra.local import emulator
from infra.local.state import State
from stream_jobs.error_desk.settings import ErrorDeskSettings
from stream_jobs.error_desk.shard import Shard
from tests.doubles.clock import ManualClock
from tests.stream_jobs.error_desk.running import RunningDesk
from tests.stream_jobs.error_desk.stand_in import InThread
from tests.warehouse.conftest import _prepared, databases, engine, server, sql, url  # noqa: F401  PostgreSQL

_numbers = itertools.count()


@dataclass
class Waiting:
    """Waiting that never waits: what shall happen at each wait is given."""

    events: list[Callable[[], object]] = field(default_factory=list)
    waits: int = 0

    def wait(self, _seconds: float) -> bool:
        """True when the daemon is gone."""
        self.waits += 1
        return self.events.pop(0)() is False if self.events else False


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture
def settings(url: str, tmp_path: Path) -> ErrorDeskSettings:  # noqa: F811  the fixture above
    settings = ErrorDeskSettings(warehouse_url=url, state=str(tmp_path))
    settings.folder.mkdir()
    return settings


@pytest.fixture
def daemon(
    settings: ErrorDeskSettings, clock: ManualClock, waiting: Waiting
) -> Iterator[Callable[..., InThread]]:
    """Starts a daemon of one shard, with a processor at its first call."""
    started: list[InThread] = []
    shards: list[Shard] = []

    def open_shard(name: str) -> Shard:
        shards.append(Shard(name, settings, "errors@1", clock, process=4711, waits=waiting))
        return shards[-1]

    def start(*, initialize: bool = True) -> InThread:
        started.append(InThread(open_shard))
        if initialize:
            started[-1].initialize()
        return started[-1]

    yield start
    for one in started:
        one.end()
    for shard in shards:
        shard.close()


@pytest.fixture
def allow(url: str) -> Callable[[bool], None]:  # noqa: F811  the fixture above
    """Whether the test's warehouse takes connections; those of the desk end."""
    base, _, name = url.rpartition("/")

    def allow(connections: bool) -> None:
        with psycopg.connect(f"{base}/postgres", autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS {connections}".encode())
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = %s AND application_name = 'headrace'",
                [name],
            )

    return allow


@pytest.fixture(scope="session")
def emulator_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulator's endpoint."""
    state, clock = State(tmp_path_factory.mktemp("desk") / ".headrace"), SystemClock()
    yield emulator.endpoint(emulator.start(state, os.environ, clock, preferred=0))
    emulator.stop(state, clock)


@pytest.fixture
def desk(
    emulator_url: str,
    url: str,  # noqa: F811  as above
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[RunningDesk]:
    """Desks on a stream of so many shards, each of which is a process: four, unless the test says."""
    stream = f"errors-{next(_numbers)}"
    desk = RunningDesk(emulator_url, url, tmp_path / "a state folder", stream)
    desk.kinesis.create_stream(StreamName=stream, ShardCount=getattr(request, "param", 4))
    desk.kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    yield desk
    desk.end()
