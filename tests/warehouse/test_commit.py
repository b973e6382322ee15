import threading
import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import psycopg
import pytest

from headrace.errors import BatchMismatch, FencedOut, WarehouseRefused
from headrace.warehouse import probe
from headrace.warehouse.batch import Committed, Exclusions, FoldedBatch
from headrace.warehouse.ledger import MAX_RANGES
from headrace.warehouse.ranges import RangeSet
from headrace.warehouse.reconcile import reconcile
from headrace.warehouse.warehouse import Warehouse
from tests.doubles.clock import ManualClock
from tests.warehouse.queries import EACH_ENGINE, Connect, Sql, ranges, requests, state
from tests.warehouse.simulation import Rec, bad, batch_id, fold_of, good, shard

pytestmark = pytest.mark.stack
ENGINES = EACH_ENGINE


def test_the_same_batch_twice_changes_nothing(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    fold = fold_of(good(1, 2, 2, 3) + bad(4), progress=[shard()])
    warehouse.commit(batch_id(0), epoch, fold)
    before = state(sql)
    assert warehouse.commit(batch_id(0), epoch, fold) == Committed(already=True)
    assert state(sql) == before


def test_the_same_batch_with_other_ends_is_refused(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    warehouse.commit(batch_id(0), epoch, fold_of(good(1)))
    before = state(sql)
    with pytest.raises(BatchMismatch, match="batch 0"):
        warehouse.commit(batch_id(0, ends='{"shard-0": "9"}'), epoch, fold_of(good(1, 2)))
    assert state(sql) == before


def test_end_positions_of_any_length_are_told_apart(warehouse: Warehouse) -> None:
    epoch = warehouse.take_epoch("events")
    long = "x" * 70_000
    warehouse.commit(batch_id(0, ends=long + "1"), epoch, fold_of(good(1)))
    assert warehouse.commit(batch_id(0, ends=long + "1"), epoch, fold_of(good(1))).already
    with pytest.raises(BatchMismatch):
        warehouse.commit(batch_id(0, ends=long + "2"), epoch, fold_of(good(1)))


def test_a_new_checkpoint_that_reads_everything_again_counts_nothing_twice(
    warehouse: Warehouse, sql: Sql
) -> None:
    epoch = warehouse.take_epoch("events")
    records = good(1, 2, 3) + bad(4)
    warehouse.commit(batch_id(0), epoch, fold_of(records))
    done = warehouse.commit(batch_id(0, query="another"), epoch, fold_of(records + good(5)))
    assert (done.counted, done.dropped, done.refolds) == (1, 3, 1)
    assert requests(sql) == 4
    assert ranges(sql) == [("s", 1, 3), ("s", 5, 5)]
    assert sql("select duplicates_dropped from ledger_sources") == [(3,)]


def test_copies_in_other_partitions_cost_one_more_fold_and_the_good_one_stays(
    warehouse: Warehouse, sql: Sql
) -> None:
    epoch = warehouse.take_epoch("events")
    told: list[Exclusions] = []
    fold = fold_of(bad(1, 2) + good(1, 3, partition=1) + good(3, partition=2))

    def remembered(exclusions: Exclusions) -> FoldedBatch:
        told.append(exclusions)
        return fold(exclusions)

    done = warehouse.commit(batch_id(0), epoch, remembered)
    one, three = RangeSet.of((1, 1)), RangeSet.of((3, 3))
    assert told == [Exclusions(), Exclusions({("s", 0): one, ("s", 2): three})]
    assert (done.counted, done.rejected, done.dropped) == (2, 1, 2)
    assert sql("select sequence from rejects") == [(2,)]
    assert requests(sql) == 2


def test_a_fold_that_ignores_what_it_is_told_is_refused(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    fold = fold_of(good(1) + good(1, partition=1))
    with pytest.raises(WarehouseRefused, match="did not leave out"):
        warehouse.commit(batch_id(0), epoch, lambda _: fold(Exclusions()))
    assert not sql("select * from batches")


def test_a_mended_record_moves_from_rejected_to_counted(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    warehouse.commit(batch_id(0), epoch, fold_of(bad(1, 2, 3)))
    warehouse.commit(batch_id(1), epoch, fold_of(good(2)))
    assert ranges(sql) == [("s", 2, 2)]
    assert ranges(sql, "rejected") == [("s", 1, 1), ("s", 3, 3)]
    assert sql("select records from ledger_types") == [(1,)]
    warehouse.commit(batch_id(2), epoch, fold_of(bad(2)))
    assert ranges(sql) == [("s", 2, 2)]
    assert ranges(sql, "rejected") == [("s", 1, 1), ("s", 3, 3)]


@pytest.mark.parametrize("point", [probe.BEFORE_STAGE, probe.AFTER_STAGE, probe.BEFORE_COMMIT])
def test_a_crash_before_the_commit_leaves_nothing(connect: Connect, sql: Sql, point: str) -> None:
    def crash(at: str) -> None:
        if at == point:
            raise RuntimeError(point)

    broken, fold = connect(probe=crash), fold_of(good(1, 2) + bad(3), progress=[shard()])
    epoch = broken.take_epoch("events")
    before = state(sql)
    with pytest.raises(RuntimeError, match=point):
        broken.commit(batch_id(0), epoch, fold)
    assert state(sql) == before
    assert connect().commit(batch_id(0), epoch, fold).counted == 2
    assert requests(sql) == 2


def test_a_crash_after_the_commit_is_met_by_the_batch_row(connect: Connect, sql: Sql) -> None:
    def crash(at: str) -> None:
        if at == probe.AFTER_COMMIT:
            raise RuntimeError(at)

    broken, fold = connect(probe=crash), fold_of(good(1, 2), progress=[shard()])
    epoch = broken.take_epoch("events")
    with pytest.raises(RuntimeError):
        broken.commit(batch_id(0), epoch, fold)
    before = state(sql)
    assert broken.commit(batch_id(0), epoch, fold).already
    assert state(sql) == before
    assert requests(sql) == 2


def test_the_second_job_fences_the_first(connect: Connect, sql: Sql) -> None:
    first, second = connect(), connect()
    old = first.take_epoch("events")
    first.commit(batch_id(0), old, fold_of(good(1)))
    new = second.take_epoch("events")
    with pytest.raises(FencedOut, match=f"epoch {old}"):
        first.commit(batch_id(1), old, fold_of(good(2)))
    assert second.commit(batch_id(0, query="second"), new, fold_of(good(1, 2))).counted == 1
    assert requests(sql) == 2


def test_a_job_that_is_fenced_in_mid_commit_writes_nothing(connect: Connect, sql: Sql) -> None:
    first, second = connect(), connect()
    epoch = first.take_epoch("events")
    fold = fold_of(good(1))

    def overtaken(exclusions: Exclusions) -> FoldedBatch:
        second.take_epoch("events")
        return fold(exclusions)

    with pytest.raises(FencedOut):
        first.commit(batch_id(0), epoch, overtaken)
    assert not sql("select * from batches")


def test_two_streams_commit_at_once_and_each_number_counts_once(connect: Connect, sql: Sql) -> None:
    """Both carry the same numbers; both split before either commits."""
    barrier, results = threading.Barrier(2), []

    def job(stream: str, warehouse: Warehouse) -> None:
        epoch = warehouse.take_epoch(stream)
        fold, calls = fold_of(good(*range(1, 101))), []

        def meeting(exclusions: Exclusions) -> FoldedBatch:
            calls.append(exclusions)
            if len(calls) == 1:
                barrier.wait(timeout=30)
            return fold(exclusions)

        batch = replace(batch_id(0, query=stream), stream=stream)
        results.append(warehouse.commit(batch, epoch, meeting))

    threads = [threading.Thread(target=job, args=(name, connect())) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted((r.counted, r.dropped, r.refolds) for r in results) == [(0, 100, 1), (100, 0, 0)]
    assert requests(sql) == 100
    assert ranges(sql) == [("s", 1, 100)]


def test_what_another_stream_commits_meanwhile_is_seen_and_costs_no_fold(connect: Connect, sql: Sql) -> None:
    first, second = connect(), connect()
    epoch, other = first.take_epoch("events"), second.take_epoch("other")
    first.commit(batch_id(0), epoch, fold_of(good(1) + good(1, source="t")))
    fold = fold_of(good(2))

    def overtaken(exclusions: Exclusions) -> FoldedBatch:
        second.commit(
            replace(batch_id(0, query="other"), stream="other"), other, fold_of(good(2, source="t"))
        )
        return fold(exclusions)

    assert first.commit(batch_id(1), epoch, overtaken).refolds == 0
    done = first.commit(batch_id(2), epoch, fold_of(good(2, 3, source="t")))
    assert (done.counted, done.dropped) == (1, 1)
    assert ranges(sql) == [("s", 1, 2), ("t", 1, 3)]


def test_readers_do_not_wait_for_a_writer(connect: Connect, sql: Sql) -> None:
    seen: list[object] = []

    def read(at: str) -> None:
        if at == probe.BEFORE_COMMIT:
            seen.append(requests(sql))

    warehouse = connect(probe=read)
    epoch = warehouse.take_epoch("events")
    warehouse.commit(batch_id(0), epoch, fold_of(good(1)))
    warehouse.commit(batch_id(1), epoch, fold_of(good(2)))
    assert seen == [None, 1]


def test_a_source_without_order_is_rejected_beyond_the_limit_and_stays_missing(
    warehouse: Warehouse, sql: Sql, url: str, clock: ManualClock
) -> None:
    epoch = warehouse.take_epoch("events")
    everything = RangeSet.from_numbers(np.arange(1, MAX_RANGES // 2 + 4, dtype=np.int64) * 2)
    told: list[Exclusions] = []

    def fold(exclusions: Exclusions) -> FoldedBatch:
        told.append(exclusions)
        scattered = exclusions.too_scattered.get("s", RangeSet())
        records = [Rec("s", n) for n, _ in scattered.pairs()]
        out = fold_of(records, progress=[shard(frontier=clock.now() + timedelta(seconds=1))])(exclusions)
        return replace(out, counted={("s", 0): everything - scattered})

    assert warehouse.commit(batch_id(0), epoch, fold).counted == MAX_RANGES // 2
    assert told[1].too_scattered["s"].size == 3
    assert sql("select code, count(*) from rejects group by 1") == [("too_scattered", 3)]
    [line] = reconcile(url, clock).sources
    assert line.missing == everything.highest - MAX_RANGES // 2


def test_a_writer_waits_for_its_turn_before_it_looks_at_anything(
    connect: Connect, url: str, sql: Sql
) -> None:
    """Redshift takes the snapshot at the first statement, so the lock must be that statement."""
    warehouse, results = connect(), []
    epoch = warehouse.take_epoch("events")
    waiting = (
        "select (select count(*) from pg_locks h "
        "where h.pid = w.pid and h.granted and h.locktype = 'relation') "
        "from pg_locks w where not w.granted and w.relation = 'writer_lock'::regclass"
    )
    with psycopg.connect(url) as other:
        other.execute("lock table writer_lock")
        thread = threading.Thread(
            target=lambda: results.append(warehouse.commit(batch_id(0), epoch, fold_of(good(1))))
        )
        thread.start()
        deadline = time.monotonic() + 30
        while not (held := sql(waiting)) and time.monotonic() < deadline:
            pass
        assert held == [(0,)]
    thread.join(timeout=30)
    assert [result.counted for result in results] == [1]
