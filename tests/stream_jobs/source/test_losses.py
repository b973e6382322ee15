import json
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import KinesisNotFound, RecordsTrimmed, StreamRecreated
from stream_jobs.source.data_source import KinesisStreamReader
from stream_jobs.source.offsets import TRIM_HORIZON, ShardOffset, StreamOffset
from stream_jobs.source.options import parse_options
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import Refuse, Reset
from tests.stream_jobs.source.engine import (
    LOW,
    SHARDS,
    Query,
    payloads,
    put,
    wait_for,
)

A, B, C, D = SHARDS

IDLE = {"shardId-000000000000": ShardOffset(origin=TRIM_HORIZON, position=TRIM_HORIZON, frontier=1)}


@pytest.mark.parametrize(
    "fault",
    [
        Refuse("ProvisionedThroughputExceededException", 400),
        Refuse("InternalFailure", 500),
        Refuse("ExpiredIteratorException", 400),
        Reset(),
        Reset(after=True),
    ],
)
def test_faults_of_the_service_cost_time_but_no_record(
    kinesis: KinesisDouble, query: Query, fault: Any
) -> None:
    put(kinesis, *(str(number) for number in range(20)))
    kinesis.faults.script("GetRecords", fault, fault, None, fault)
    kinesis.faults.script("GetShardIterator", fault)
    kinesis.faults.script("DescribeStreamSummary", fault)
    rows = query().records(20)
    assert sorted(payloads(rows)) == sorted(record.data for record in kinesis.records())


def test_an_iterator_that_expired_in_a_pause_is_asked_anew(
    kinesis: KinesisDouble, clock: ManualClock, query: Query
) -> None:
    engine = query()
    put(kinesis, "a")
    engine.records(1)
    clock.advance(400)
    put(kinesis, "b")
    assert payloads(engine.records(1)) == [b"b"]


def test_while_kinesis_is_away_there_is_nothing_new_and_the_status_says_why(
    kinesis: KinesisDouble, query: Query
) -> None:
    kinesis.down()
    engine = query()
    assert engine.trigger() is None
    status = Path(engine.options["statusFile"])
    assert json.loads(status.read_text())["trouble"]
    kinesis.up()
    put(kinesis, "a")
    assert payloads(engine.records(1)) == [b"a"]
    kinesis.down()
    wait_for(lambda: json.loads(status.read_text())["trouble"] != "")
    assert engine.trigger() is None
    kinesis.up()
    put(kinesis, "b")
    assert payloads(engine.records(1)) == [b"b"]
    wait_for(lambda: json.loads(status.read_text())["trouble"] == "")


def test_a_stream_made_anew_is_refused_with_the_remedy(
    kinesis: KinesisDouble, clock: ManualClock, query: Query
) -> None:
    put(kinesis, "a")
    engine = query()
    engine.records(1)
    engine.reader.stop()
    clock.advance(60)
    del kinesis.api.streams["events"]
    kinesis.create_stream("events", shards=2)
    engine.restart(replay=False)
    with pytest.raises(StreamRecreated, match="HEADRACE_CHECKPOINT"):
        engine.trigger()


def test_a_stream_made_anew_under_a_running_query_is_refused(
    kinesis: KinesisDouble, clock: ManualClock, query: Query
) -> None:
    put(kinesis, "a")
    engine = query()
    engine.records(1)
    clock.advance(60)
    del kinesis.api.streams["events"]
    kinesis.create_stream("events", shards=2)
    with pytest.raises(StreamRecreated):
        engine.records(1)


def test_a_batch_of_the_former_stream_is_not_replayed_on_the_one_made_anew() -> None:
    first, last = (StreamOffset(stream="events", created=7, shards=shards).to_json() for shards in ({}, IDLE))
    options = {"kinesis.streamName": "events", "markers": "true"}
    assert KinesisStreamReader(parse_options(options)).partitions(first, last)
    known = KinesisStreamReader(parse_options(options | {"kinesis.streamCreated": "8"}))
    with pytest.raises(StreamRecreated, match="HEADRACE_CHECKPOINT"):
        known.partitions(first, last)


def test_a_stream_that_does_not_exist_is_named(kinesis: KinesisDouble, query: Query) -> None:
    del kinesis.api.streams["events"]
    with pytest.raises(KinesisNotFound, match="events"):
        query().trigger()


def test_records_dropped_by_retention_while_the_query_was_down_end_it(
    kinesis: KinesisDouble, clock: ManualClock, query: Query
) -> None:
    put(kinesis, "read", hash_key=LOW)
    engine = query()
    engine.records(1)
    engine.reader.stop()
    put(kinesis, "lost", hash_key=LOW)
    clock.advance(25 * 3600)
    put(kinesis, "there", hash_key=LOW)
    engine.restart(replay=False)
    with pytest.raises(RecordsTrimmed, match="HEADRACE_FAIL_ON_DATA_LOSS"):
        engine.records(1)
    engine.restart(replay=False, **{"kinesis.failOnDataLoss": "false"})
    assert payloads(engine.records(1)) == [b"there"]


def test_a_long_pause_without_loss_is_no_loss(
    kinesis: KinesisDouble, clock: ManualClock, query: Query
) -> None:
    del kinesis.api.streams["events"]
    kinesis.create_stream("events", shards=1)
    put(kinesis, "read")
    engine = query()
    engine.records(1)
    engine.reader.stop()
    kinesis.stream().retention_hours = 10**6  # what is past the retention is not swept out at once
    clock.advance(47 * 3600)
    put(kinesis, "next")
    kinesis.stream().retention_hours = 24
    kinesis.stream().trim = lambda now: None  # type: ignore[method-assign]  # noqa: ARG005
    engine.restart(replay=False)
    assert payloads(engine.records(1)) == [b"next"]


def test_a_batch_that_can_no_longer_be_read_whole_is_not_replayed_in_part(
    kinesis: KinesisDouble, clock: ManualClock, query: Query
) -> None:
    put(kinesis, "a", "b", hash_key=LOW)
    engine = query()
    engine.records(2)
    clock.advance(25 * 3600)
    put(kinesis, "c", hash_key=LOW)
    with pytest.raises(RecordsTrimmed):
        engine.restart()


def test_a_shard_that_leaves_the_stream_under_a_running_query_is_a_loss_unless_told_otherwise(
    kinesis: KinesisDouble, query: Query, tmp_path: Path
) -> None:
    strict, lenient = query(), query(kinesis_failOnDataLoss="false", cacheDirectory=str(tmp_path))
    for engine in (strict, lenient):
        engine.trigger()
    with kinesis.paused():
        kinesis.split(A)
        put(kinesis, "in a child", hash_key=LOW)
        del kinesis.stream().shards[A]
    assert payloads(lenient.records(1)) == [b"in a child"]
    with pytest.raises(RecordsTrimmed, match=A):
        strict.records(1)
