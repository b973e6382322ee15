from collections.abc import Iterator

import pytest

from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint
from headrace.kinesis.signature import Keys
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble


@pytest.fixture
def kinesis(clock: ManualClock) -> Iterator[KinesisDouble]:
    """The double, with a stream `events` of four shards."""
    with KinesisDouble(clock) as double:
        double.create_stream("events", shards=4)
        yield double


@pytest.fixture
def client(kinesis: KinesisDouble, clock: ManualClock) -> Iterator[KinesisClient]:
    endpoint = Endpoint(kinesis.url, "eu-west-1", lambda: Keys("AKID", "secret"))
    client = KinesisClient(endpoint, clock, connect_seconds=2, read_seconds=2)
    yield client
    client.close()
