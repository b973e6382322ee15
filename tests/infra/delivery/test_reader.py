"""Reading a stream onward from a checkpoint: nothing skipped, whatever happens to its shards."""

import os
from collections.abc import Callable, Iterator

import pytest

from headrace.errors import KinesisUnavailable, StreamRecreated
from headrace.kinesis.aggregation import UserRecord, aggregate
from headrace.kinesis.client import connect
from infra.local.delivery.checkpoint import Checkpoint
from infra.local.delivery.reader import StreamReader
from infra.local.delivery.records import SourceRecord
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import Refuse

A, B = "shardId-000000000000", "shardId-000000000001"
Open = Callable[..., StreamReader]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def kinesis(clock: ManualClock) -> Iterator[KinesisDouble]:
    with KinesisDouble(clock) as kinesis:
        kinesis.create_stream("events", shards=2)
        yield kinesis


@pytest.fixture
def open_reader(kinesis: KinesisDouble, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setitem(os.environ, "AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setitem(os.environ, "AWS_SECRET_ACCESS_KEY", "secret")

    def open_reader(checkpoint: Checkpoint = Checkpoint()) -> StreamReader:  # noqa: B008  it is frozen
        client = connect(clock, endpoint_url=kinesis.url, region="eu-west-1")
        return StreamReader(client, "events", checkpoint, clock)

    return open_reader


def everything(reader: StreamReader) -> list[SourceRecord]:
    found: list[SourceRecord] = []
    while given := reader.read():
        found += given
    return found


def data(records: list[SourceRecord]) -> list[bytes]:
    return sorted(record.data for record in records)


def put(kinesis: KinesisDouble, *contents: bytes) -> None:
    for content in contents:
        kinesis.put("events", content, key=content.decode())


NUMBERS = [b"%03d" % n for n in range(250)]


def test_a_new_delivery_reads_every_shard_from_its_beginning(
    kinesis: KinesisDouble, open_reader: Open
) -> None:
    put(kinesis, *NUMBERS)
    found = everything(open_reader())
    assert data(found) == NUMBERS
    assert {record.shard for record in found} == {A, B}
    assert all(record.partition_key == record.data.decode() for record in found)


def test_aggregates_are_taken_apart_and_their_places_kept(kinesis: KinesisDouble, open_reader: Open) -> None:
    inside = [UserRecord(f"key-{n}", None, b"%d" % n) for n in range(3)]
    stored = kinesis.put("events", aggregate(inside), key="outer", hash_key="0")
    found = everything(open_reader())
    assert [(part.data, part.partition_key, part.subsequence, part.last) for part in found] == [
        (b"0", "key-0", 0, False),
        (b"1", "key-1", 1, False),
        (b"2", "key-2", 2, True),
    ]
    assert {(part.sequence, part.arrival_ms) for part in found} == {
        (str(stored.sequence), round(stored.arrival * 1000))
    }
    assert len({part.record_id for part in found}) == 3


def test_reading_goes_on_behind_the_checkpoint(kinesis: KinesisDouble, open_reader: Open) -> None:
    put(kinesis, *NUMBERS[:100])
    first = open_reader()
    passed = {record.shard: record.sequence for record in everything(first)[:60]}
    delivered = {number for number, record in _numbered(kinesis) if int(record) <= int(passed[number[0]])}
    second = everything(open_reader(Checkpoint(first.identity, passed)))
    assert {(record.shard, record.sequence) for record in second}.isdisjoint(delivered)
    assert len(second) + len(delivered) == 100


def _numbered(kinesis: KinesisDouble) -> Iterator[tuple[tuple[str, str], str]]:
    for shard in (A, B):
        for stored in kinesis.records("events", shard):
            yield (shard, str(stored.sequence)), str(stored.sequence)


@pytest.mark.parametrize("identity", ["", "events@1", "other@1763726400000"])
def test_a_checkpoint_of_another_stream_counts_for_nothing(
    kinesis: KinesisDouble, open_reader: Open, identity: str
) -> None:
    put(kinesis, *NUMBERS[:10])
    last = {record.shard: record.sequence for record in everything(open_reader())}
    assert data(everything(open_reader(Checkpoint(identity, last)))) == NUMBERS[:10]


def test_children_are_read_once_their_parents_are_drained(kinesis: KinesisDouble, open_reader: Open) -> None:
    put(kinesis, *(b"early %03d" % n for n in range(500)))
    kinesis.split(A)
    put(kinesis, *NUMBERS[:50])
    kinesis.merge("shardId-000000000003", B)
    put(kinesis, *NUMBERS[50:100])
    found = everything(open_reader())
    assert data(found) == sorted([*NUMBERS[:100], *(b"early %03d" % n for n in range(500))])
    shards = [record.shard for record in found]
    assert len(set(shards)) == 5
    for parent, child in ((A, 2), (A, 3), (B, 4), ("shardId-000000000003", 4)):
        first_of_child = shards.index(f"shardId-00000000000{child}")
        assert parent not in shards[first_of_child:]


def test_a_restart_after_a_split_reads_nothing_twice(kinesis: KinesisDouble, open_reader: Open) -> None:
    put(kinesis, *NUMBERS[:50])
    kinesis.split(A)
    put(kinesis, *NUMBERS[50:100])
    first = open_reader()
    last = {record.shard: record.sequence for record in everything(first)}
    put(kinesis, *NUMBERS[100:150])
    assert data(everything(open_reader(Checkpoint(first.identity, last)))) == NUMBERS[100:150]


def test_what_fails_in_the_middle_of_a_round_loses_nothing(kinesis: KinesisDouble, open_reader: Open) -> None:
    put(kinesis, *NUMBERS[:50])
    reader = open_reader()
    kinesis.faults.script("GetRecords", None, Refuse("InternalFailure"))
    with pytest.raises(KinesisUnavailable):
        reader.read()
    assert data(everything(reader)) == NUMBERS[:50]


def test_an_iterator_that_was_kept_too_long_is_asked_for_anew(
    kinesis: KinesisDouble, open_reader: Open, clock: ManualClock
) -> None:
    reader = open_reader()
    everything(reader)
    clock.advance(400)
    put(kinesis, *NUMBERS[:10])
    assert reader.read() == []
    assert data(everything(reader)) == NUMBERS[:10]


def test_a_stream_made_anew_is_noticed(kinesis: KinesisDouble, open_reader: Open, clock: ManualClock) -> None:
    put(kinesis, *NUMBERS[:10])
    reader = open_reader()
    last = {record.shard: record.sequence for record in everything(reader)}
    kinesis.api.delete_stream({"StreamName": "events"})
    clock.advance(11)
    kinesis.create_stream("events", shards=2)
    put(kinesis, *NUMBERS[10:20])
    with pytest.raises(StreamRecreated, match="made anew"):
        reader.read()
    assert data(everything(open_reader(Checkpoint(reader.identity, last)))) == NUMBERS[10:20]
