from datetime import timedelta

import pytest

from headrace.warehouse.batch import BatchId
from headrace.warehouse.warehouse import Warehouse
from tests.doubles.clock import ManualClock
from tests.warehouse.queries import Sql
from tests.warehouse.simulation import START, Rec, bad, batch_id, fold_of, good, shard

pytestmark = pytest.mark.stack

DUE = START + timedelta(minutes=11)
"""The end of the first one-minute window, and ten minutes more."""
MOMENT = timedelta(microseconds=1)


def test_a_window_is_final_once_every_shard_is_past_its_lateness(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    steps = [
        ([shard("a", frontier=DUE + MOMENT), shard("b", frontier=START)], 0),
        ([shard("b", frontier=DUE)], 0),
        ([shard("b", frontier=DUE + MOMENT)], 1),
    ]
    for number, (progress, final) in enumerate(steps):
        fold = fold_of(good(number + 1), progress=progress)
        warehouse.commit(batch_id(number), epoch, fold)
        assert len(sql("select * from web_traffic_1m_final")) == final


def test_what_reaches_a_final_window_is_flagged_late(warehouse: Warehouse, sql: Sql) -> None:
    """A record of the frontier's own instant is the earliest that can follow."""
    epoch = warehouse.take_epoch("events")
    frontier = DUE + MOMENT
    warehouse.commit(batch_id(0), epoch, fold_of(good(1), progress=[shard(frontier=frontier)]))
    assert sql("select records, late_records from web_traffic_1m_final") == [(1, 0)]
    warehouse.commit(batch_id(1), epoch, fold_of([Rec("s", 2, arrived=frontier)]))
    assert sql("select records, late_records from web_traffic_1m_final") == [(2, 1)]


def test_a_drained_shard_leaves_the_frontier_only_after_its_children_are_in(
    warehouse: Warehouse, sql: Sql
) -> None:
    epoch, hour = warehouse.take_epoch("events"), timedelta(hours=1)
    steps = [
        ([shard("left", closed=True), shard("right", frontier=START + hour, closed=True)], START),
        ([shard("child", frontier=START + 2 * hour, parents=("left", "right"))], START + 2 * hour),
        ([shard("child", frontier=START + 3 * hour, parents=("left", "right"))], START + 3 * hour),
    ]
    for number, (progress, expected) in enumerate(steps):
        warehouse.commit(batch_id(number), epoch, fold_of([], progress=progress))
        assert sql("select frontier from frontier") == [(expected,)]


def test_shards_of_the_same_name_in_two_streams_are_two(warehouse: Warehouse, sql: Sql) -> None:
    for stream, progress in (("one", [shard("a", closed=True)]), ("two", [shard("b", parents=("a",))])):
        epoch = warehouse.take_epoch(stream)
        warehouse.commit(BatchId(stream, stream, 0, "{}"), epoch, fold_of([], progress=progress))
    assert sql("select count(*) from shard_progress") == [(2,)]
    assert sql("select frontier from frontier") == [(START,)]


def test_a_stream_made_anew_replaces_the_former_one_of_its_name(
    warehouse: Warehouse, sql: Sql, clock: ManualClock
) -> None:
    later = START + timedelta(days=1)
    for stream, frontier in (("events@1", START), ("events@2", later), ("other@1", later + MOMENT)):
        clock.advance(1)
        epoch = warehouse.take_epoch(stream)
        fold = fold_of([], progress=[shard(frontier=frontier)])
        warehouse.commit(BatchId(stream, stream, 0, "{}"), epoch, fold)
    assert sql("select frontier from frontier") == [(later,)]
    assert warehouse.progress("events@1") == [shard()]


def test_rejects_per_minute_and_the_ledger_are_views(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    warehouse.commit(batch_id(0), epoch, fold_of(good(1, 2, 2) + bad(3, 5)))
    warehouse.commit(batch_id(1), epoch, fold_of(bad(3)))
    assert sql("select minute, stage, code, rejects, seen from rejects_per_minute") == [
        (START, "stream_job", "bad_value", 2, 3)
    ]
    assert sql("select source, counted, rejected, written_off, duplicates_dropped, highest from ledger") == [
        ("s", 2, 2, 0, 1, 5)
    ]
