from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.stream_jobs.source.engine import Engine

SHARDS = ("shardId-000000000000", "shardId-000000000001")


@pytest.fixture
def kinesis(clock: ManualClock) -> Iterator[KinesisDouble]:
    with KinesisDouble(clock) as double:
        double.create_stream("events", shards=2)
        yield double


@pytest.fixture
def query(kinesis: KinesisDouble, tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """A new query on the double; what is given are further options, with _ for a dot."""
    engines: list[Engine] = []

    def start(*, with_start: bool = False, **options: str) -> Engine:
        given = {name.replace("_", "."): value for name, value in options.items()}
        defaults = {
            "kinesis.streamName": "events",
            "kinesis.endpointUrl": kinesis.url,
            "cacheDirectory": str(tmp_path / "cache"),
            "statusFile": str(tmp_path / "status.json"),
            "deaggregate": "false",
        }
        engines.append(Engine(defaults | given, with_start=with_start))
        return engines[-1]

    yield start
    for engine in engines:
        engine.reader.stop()
