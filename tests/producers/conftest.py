from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint
from headrace.kinesis.signature import Keys
from headrace.ops.clock import SystemClock
from headrace.ops.shutdown import Shutdown
from producers import daemon
from producers.configuration import of_one
from producers.progress import Progress
from tests.doubles.kinesis import KinesisDouble
from tests.producers.processes import Producers
from tests.producers.received import access_lines

Produce = Callable[..., int]


@pytest.fixture
def kinesis() -> Iterator[KinesisDouble]:
    """The double on real time, with a stream `events` of four shards."""
    with KinesisDouble() as double:
        double.create_stream("events", shards=4)
        yield double


@pytest.fixture
def client(kinesis: KinesisDouble) -> Iterator[KinesisClient]:
    endpoint = Endpoint(kinesis.url, "eu-west-1", lambda: Keys("AKID", "secret"))
    client = KinesisClient(endpoint, SystemClock(), connect_seconds=2, read_seconds=2)
    yield client
    client.close()


@pytest.fixture
def producers(kinesis: KinesisDouble, tmp_path: Path) -> Iterator[Producers]:
    """Processes of their own on one spool."""
    made = Producers(kinesis.url, tmp_path / "spool")
    yield made
    made.end()


@pytest.fixture
def produce(client: KinesisClient, tmp_path: Path) -> Produce:
    """Runs a producer in this process, by default on the paths given, to its end."""

    def run(
        *paths: Path,
        source: str = "file",
        shutdown: Shutdown | None = None,
        tell: Callable[[Progress], None] = lambda _: None,
        **settings: object,
    ) -> int:
        given = {"spool": str(tmp_path / "spool"), "name": "web-7", "paths": tuple(map(str, paths))}
        configuration = of_one(source, given | settings, {})
        return daemon.run(configuration, SystemClock(), shutdown or Shutdown(), tell=tell, client=client)

    return run


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """3,000 lines."""
    path = tmp_path / "access.log"
    path.write_bytes(b"\n".join(access_lines(3_000)) + b"\n")
    return path
