"""What a delivery remembers between two runs."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import ArchiveUnavailable
from headrace.kinesis.client import connect
from headrace.schemas.archive import DELIVERIES
from infra.local.delivery import checkpoint
from infra.local.delivery.archive_buffer import ArchiveObject
from infra.local.delivery.checkpoint import Checkpoint
from infra.local.delivery.engine import DeliveryStream
from infra.local.delivery.main import open_delivery
from infra.local.delivery.monitor import Monitor
from infra.local.delivery.settings import DeliverySettings
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble

STREAM = "errors"
REJECT = json.dumps({"data": {"code": "not_json"}}).encode()
FIRST, SECOND = "0", str(2**127)


class Bucket:
    """S3, as far as the delivery of `errors` asks."""

    def __init__(self) -> None:
        self.records = 0
        self.away = False

    def put(self, it: ArchiveObject) -> None:
        if self.away:
            raise ArchiveUnavailable("503")
        self.records += it.records


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def kinesis(clock: ManualClock) -> Iterator[KinesisDouble]:
    with KinesisDouble(clock) as kinesis:
        kinesis.create_stream(STREAM, shards=2)
        yield kinesis


class Laptop:
    """Opens the delivery of `errors` on one state folder again and again."""

    def __init__(self, kinesis: KinesisDouble, clock: ManualClock, state: Path) -> None:
        self.bucket = Bucket()
        self.file = checkpoint.path_of(state, STREAM)
        self._client = connect(clock, endpoint_url=kinesis.url, region="eu-west-1")
        self._clock = clock
        self._settings = DeliverySettings(bucket="archive", state=str(state))

    def open(self) -> DeliveryStream:
        services: Any = self.bucket
        return open_delivery(
            DELIVERIES[STREAM],
            settings=self._settings,
            kinesis=self._client,
            services=services,
            monitor=Monitor(self._clock, [STREAM]),
            clock=self._clock,
        )

    def deliver(self) -> None:
        delivery = self.open()
        while delivery.step():
            pass
        delivery.flush()


@pytest.fixture
def laptop(
    kinesis: KinesisDouble, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Laptop:
    monkeypatch.setitem(os.environ, "AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setitem(os.environ, "AWS_SECRET_ACCESS_KEY", "secret")
    return Laptop(kinesis, clock, tmp_path)


def test_a_shard_that_was_silent_keeps_its_place(kinesis: KinesisDouble, laptop: Laptop) -> None:
    for hash_key in (FIRST, SECOND):
        kinesis.put(STREAM, REJECT, hash_key=hash_key)
    laptop.deliver()
    kinesis.put(STREAM, REJECT, hash_key=FIRST)
    laptop.deliver()
    laptop.deliver()
    assert laptop.bucket.records == 3
    assert len(checkpoint.load(laptop.file).positions) == 2


def test_what_was_not_written_is_read_again(kinesis: KinesisDouble, laptop: Laptop) -> None:
    kinesis.put(STREAM, REJECT)
    laptop.bucket.away = True
    with pytest.raises(ArchiveUnavailable):
        laptop.deliver()
    assert not laptop.file.exists()
    laptop.bucket.away = False
    laptop.deliver()
    assert laptop.bucket.records == 1


def test_a_file_that_cannot_be_read_means_that_everything_is_delivered_again(
    kinesis: KinesisDouble, laptop: Laptop
) -> None:
    kinesis.put(STREAM, REJECT)
    laptop.deliver()
    for damaged in (b"", b"{", b"\xff", b"[]"):
        laptop.file.write_bytes(damaged)
        laptop.deliver()
    assert laptop.bucket.records == 5


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    path = checkpoint.path_of(tmp_path, STREAM)
    for position in ("1", "2"):
        checkpoint.save(path, Checkpoint("errors@1", {"shard": position}))
    assert checkpoint.load(path) == Checkpoint("errors@1", {"shard": "2"})
    assert list(path.parent.iterdir()) == [path]
