import json
import pickle
import shutil
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.errors import SettingsError
from headrace.kinesis.aggregation import UserRecord, aggregate
from stream_jobs.source.admission import Limits
from stream_jobs.source.data_source import KinesisDataSource, limits_of
from tests.doubles.clock import START, ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import Nothing
from tests.stream_jobs.source.engine import (
    HIGH,
    LOW,
    SHARDS,
    Query,
    data_rows,
    markers,
    payloads,
    put,
    wait_for,
)

A, B, C, D = SHARDS


@pytest.mark.parametrize("with_start", [False, True])
def test_every_record_comes_once_with_its_columns(
    kinesis: KinesisDouble, query: Query, *, with_start: bool
) -> None:
    put(kinesis, *(str(number) for number in range(50)))
    rows = data_rows(query(with_start=with_start).records(50))
    stored = {str(record.sequence): record for record in kinesis.records()}
    assert len(rows) == len(stored) == 50
    for row in rows:
        record = stored[row["sequenceNumber"]]
        assert (row["data"], row["partitionKey"]) == (record.data, record.partition_key)
        assert row["streamName"] == "events"
        assert row["approximateArrivalTimestamp"] == START
        assert row["subSequenceNumber"] == 0
        assert any(r.sequence == record.sequence for r in kinesis.records(shard_id=row["shardId"]))


def test_rows_of_a_shard_keep_their_order(kinesis: KinesisDouble, query: Query) -> None:
    put(kinesis, *(f"{number:03}" for number in range(100)))
    engine = query(maxRecordsPerBatch="7")
    rows = data_rows(engine.records(100))
    for shard in (A, B):
        got = [row["data"] for row in rows if row["shardId"] == shard]
        assert got == [record.data for record in kinesis.records(shard_id=shard)]


def test_aggregates_are_taken_apart_when_asked(kinesis: KinesisDouble, query: Query) -> None:
    kinesis.put("events", aggregate([UserRecord(f"k{n}", None, b"%d" % n) for n in range(3)]))
    put(kinesis, "plain")
    rows = data_rows(query(deaggregate="true").records(4))
    assert sorted((r["data"], r["partitionKey"], r["subSequenceNumber"]) for r in rows) == [
        (b"0", "k0", 0),
        (b"1", "k1", 1),
        (b"2", "k2", 2),
        (b"plain", "plain", 0),
    ]


@pytest.mark.parametrize("cached", [True, False])
def test_every_batch_is_replayed_row_by_row(kinesis: KinesisDouble, query: Query, *, cached: bool) -> None:
    put(kinesis, *(str(number) for number in range(60)))
    engine = query(maxRecordsPerBatch="13", markers="true")
    engine.records(60)
    first = [engine.rows(batch) for batch in range(len(engine.log))]
    if not cached:
        shutil.rmtree(engine.options["cacheDirectory"])
    assert [engine.rows(batch) for batch in range(len(engine.log))] == first


@pytest.mark.parametrize("shared", [True, False])
def test_a_task_that_cannot_see_the_cache_carries_what_was_fetched(
    kinesis: KinesisDouble, query: Query, *, shared: bool
) -> None:
    put(kinesis, *(str(number) for number in range(60)))
    engine = query(maxRecordsPerBatch="25", markers="true", sharedCache=str(shared).lower())
    engine.records(60)
    starts = [engine.reader.initialOffset(), *engine.log]
    batches = list(zip(starts, engine.log, strict=False))
    tasks = [task for start, end in batches for task in engine.reader.partitions(start, end)]
    shutil.rmtree(engine.options["cacheDirectory"])
    before = kinesis.calls.count("GetShardIterator")
    sent = [pickle.loads(pickle.dumps(task)) for task in tasks]
    rows = [rows for task in sent for rows in engine.fresh_reader().read(task)]
    assert sum(len(data_rows(one)) for one in rows) == 60
    assert (kinesis.calls.count("GetShardIterator") > before) == shared


def test_a_replay_does_not_depend_on_options_or_on_what_came_since(
    kinesis: KinesisDouble, query: Query
) -> None:
    put(kinesis, "a", "b", "c")
    engine = query(kinesis_startingPosition="TRIM_HORIZON", markers="true")
    rows = engine.records(3)
    put(kinesis, "d")
    options: dict[str, Any] = {"kinesis.startingPosition": "LATEST", "maxRecordsPerBatch": "1"}
    replayed = engine.restart(**options)
    assert replayed == rows


def test_batch_0_is_pinned_although_latest_has_moved_on(
    kinesis: KinesisDouble, clock: ManualClock, query: Query
) -> None:
    put(kinesis, "before")
    clock.advance(5)
    engine = query(kinesis_startingPosition="LATEST", markers="true")
    engine.trigger()
    clock.advance(5)
    put(kinesis, "after")
    assert payloads(engine.records(1)) == [b"after"]
    log = engine.log[:]
    engine.log = [log[-1]]  # a crash in a batch 0 that reaches as far
    clock.advance(60)
    put(kinesis, "much later")
    replayed = engine.restart()
    assert replayed is not None
    assert payloads(replayed) == [b"after"]
    assert payloads(engine.records(1)) == [b"much later"]


@pytest.mark.parametrize("with_start", [False, True])
def test_a_restart_goes_on_where_the_log_ends(
    kinesis: KinesisDouble, query: Query, *, with_start: bool
) -> None:
    engine = query(with_start=with_start)
    put(kinesis, "a", "b")
    engine.records(2)
    engine.restart()
    put(kinesis, "c")
    assert payloads(engine.records(1)) == [b"c"]


def test_a_new_query_goes_on_after_the_positions_it_is_given(kinesis: KinesisDouble, query: Query) -> None:
    put(kinesis, "a", "b", "c")
    engine = query()
    engine.records(3)
    put(kinesis, "d")
    again = query(kinesis_startingPosition=json.dumps(engine.log[-1]))
    assert payloads(again.records(1)) == [b"d"]


def test_children_follow_their_parents_and_nothing_is_read_twice(
    kinesis: KinesisDouble, query: Query
) -> None:
    engine = query(markers="true")
    put(kinesis, *(f"before {number}" for number in range(20)))
    kinesis.split(A)
    put(kinesis, *(f"between {number}" for number in range(20)))
    kinesis.merge(D, B)
    put(kinesis, *(f"after {number}" for number in range(20)))
    rows = engine.records(60)
    assert sorted(payloads(rows)) == sorted(record.data for record in kinesis.records())
    for batch in range(len(engine.log)):
        before = engine.log[batch - 1]["shards"] if batch else {}
        for shard in {row["shardId"] for row in data_rows(engine.rows(batch))}:
            parents = engine.log[batch]["shards"][shard]["parents"]
            assert all(before[parent]["closed"] for parent in parents)


def test_a_closed_shard_is_drained_before_it_counts_as_done(kinesis: KinesisDouble, query: Query) -> None:
    put(kinesis, *(str(number) for number in range(30)), hash_key=LOW)
    kinesis.split(A)
    engine = query(maxRecordsPerBatch="4", markers="true")
    seen = 0
    while (
        A not in (engine.log[-1]["shards"] if engine.log else {}) or not engine.log[-1]["shards"][A]["closed"]
    ):
        batch = engine.until(bool)
        seen += len(data_rows(batch))
    assert seen == 30
    assert set(markers(engine.rows(len(engine.log) - 1))) == {A, B, C, D}


def test_a_child_that_appears_while_the_query_is_down_starts_at_its_beginning(
    kinesis: KinesisDouble, query: Query
) -> None:
    engine = query(kinesis_startingPosition="LATEST", markers="true")
    engine.until(bool)
    engine.reader.stop()
    put(kinesis, "in the parent", hash_key=LOW)
    kinesis.split(A)
    put(kinesis, "in the child", hash_key=LOW)
    engine.restart(replay=False)
    assert payloads(engine.records(2)) == [b"in the parent", b"in the child"]


def test_the_frontier_is_that_of_the_service_and_never_ahead_of_what_is_left(
    kinesis: KinesisDouble, clock: ManualClock, query: Query
) -> None:
    put(kinesis, "a", "b", hash_key=LOW)
    clock.advance(100)
    engine = query(markers="true", maxRecordsPerBatch="1")
    first = markers(engine.until(bool))
    assert first[A]["approximateArrivalTimestamp"] == START
    assert first[B]["approximateArrivalTimestamp"] == START + timedelta(seconds=99)
    clock.advance(50)
    wait_for(lambda: engine.reader._ahead._prefetcher.reached(int((clock.now().timestamp() - 2) * 1e6)))  # type: ignore[union-attr]
    second = markers(engine.until(bool))
    assert second[A]["approximateArrivalTimestamp"] == START + timedelta(seconds=149)


def test_an_empty_answer_far_from_the_tip_does_not_claim_the_tip(
    kinesis: KinesisDouble, clock: ManualClock, query: Query
) -> None:
    clock.advance(10)
    put(kinesis, "a", hash_key=LOW)
    clock.advance(100)
    kinesis.faults.always("GetRecords", Nothing())
    found = markers(query(markers="true").until(bool))
    assert found[A]["approximateArrivalTimestamp"] == START + timedelta(seconds=9)


def test_an_idle_stream_makes_empty_batches_with_markers_only_when_asked(
    clock: ManualClock, query: Query
) -> None:
    marked, plain = query(markers="true", idleSeconds="0"), query(idleSeconds="0")
    marked.until(bool)
    plain.until(bool)
    clock.advance(10)
    assert data_rows(marked.until(bool)) == []
    assert plain.trigger() is None


def test_a_batch_keeps_to_its_limits_and_serves_every_shard(kinesis: KinesisDouble, query: Query) -> None:
    put(kinesis, *(f"{number}" for number in range(100)), hash_key=LOW)
    put(kinesis, *(f"{number}" for number in range(3)), hash_key=HIGH)
    engine = query(maxRecordsPerBatch="10")
    first = data_rows(engine.until(bool))
    assert len(first) == 10
    assert [row["shardId"] for row in first].count(B) == 3


def test_a_record_larger_than_the_limit_goes_alone(kinesis: KinesisDouble, query: Query) -> None:
    put(kinesis, "x" * 1000, "y", "z", hash_key=LOW)
    engine = query(maxBytesPerBatch="100")
    assert [len(row["data"]) for row in data_rows(engine.until(bool))] == [1000]
    assert payloads(engine.records(2)) == [b"y", b"z"]


def test_fetching_pauses_while_enough_waits(kinesis: KinesisDouble, query: Query) -> None:
    kinesis.put("events", b"x" * 1000, hash_key=LOW)
    engine = query(cacheBytes="1000", maxRecordsPerBatch="1")
    engine.until(bool)
    for _ in range(5):
        put(kinesis, "y" * 900, hash_key=LOW)
    assert len(data_rows(engine.records(5))) == 5


def test_available_now_takes_what_is_there_and_ends(
    kinesis: KinesisDouble, clock: ManualClock, query: Query
) -> None:
    put(kinesis, *(str(number) for number in range(20)))
    engine = query(with_start=True, maxRecordsPerBatch="6")
    engine.reader.prepareForTriggerAvailableNow()
    assert len(data_rows(engine.records(20))) == 20
    assert len(engine.log) >= 4
    clock.advance(5)
    put(kinesis, "later")
    assert engine.trigger() is None


def test_limits_of_spark_replace_the_options() -> None:
    options = Limits(rows=5, size=6, rows_per_shard=7)
    assert limits_of(None, options) == options
    assert limits_of(SimpleNamespace(max_rows=1), options) == Limits(1, 6, 7)
    assert limits_of(SimpleNamespace(max_bytes=1), options) == Limits(5, 1, 7)
    assert limits_of(SimpleNamespace(), options).rows > 10**9


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kinesis.streamName": "s", "kinesis.nonsense": "1"},
        {"kinesis.streamName": "s", "cacheBytes": "x"},
    ],
)
def test_wrong_options_are_named(options: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        KinesisDataSource(options).streamReader(None)  # type: ignore[arg-type]
