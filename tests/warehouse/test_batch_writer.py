from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pyarrow as pa
import pytest

from headrace.errors import WarehouseRefused
from headrace.warehouse.batch import Committed, Exclusions, FoldedBatch
from headrace.warehouse.warehouse import Warehouse
from tests.warehouse.queries import EACH_ENGINE, Sql, ranges
from tests.warehouse.simulation import START, Rec, bad, batch_id, fold_of, good, shard

pytestmark = pytest.mark.stack
ENGINES = EACH_ENGINE


def test_a_batch_appears_in_every_table(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    fold = fold_of(good(*range(1, 11)) + bad(11), progress=[shard()])
    done = warehouse.commit(batch_id(0), epoch, fold)
    assert replace(done, shares=()) == Committed(already=False, counted=10, rejected=1)
    assert sql("select requests, bytes, records, late_records from web_traffic_1m") == [(10, 5120, 10, 0)]
    assert sql("select requests, errors, records from web_paths_5m") == [(10, 0, 10)]
    assert sql("select visitors, requests, bot_requests from web_visitors_15m") == [(1, 10, 10)]
    assert ranges(sql) == [("s", 1, 10)]
    assert ranges(sql, "rejected") == [("s", 11, 11)]
    assert sql("select code, source, sequence, seen from rejects") == [("bad_value", "s", 11, 1)]
    assert sql("select record_type, records from ledger_types") == [("web_access.v1", 10)]
    assert warehouse.progress("events") == [shard()]


def test_the_next_batch_adds_to_the_windows(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    warehouse.commit(batch_id(0), epoch, fold_of([Rec("s", 1).with_data(bytes=100, client_address="a")]))
    warehouse.commit(batch_id(1), epoch, fold_of([Rec("s", 2).with_data(bytes=300, client_address="b")]))
    assert sql("select requests, bytes, records from web_traffic_1m") == [(2, 400, 2)]
    assert sql("select visitors from web_visitors_15m") == [(2,)]
    [(p50, p95)] = sql("select bytes_p50, bytes_p95 from web_traffic_1m")
    assert p50 == pytest.approx(100, rel=0.011)
    assert p95 == pytest.approx(300, rel=0.011)


def test_a_repeated_reject_is_one_row_that_counts_how_often(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    seen_again = replace(bad(1)[0], arrived=START + timedelta(hours=1))
    seen_before = replace(bad(1)[0], arrived=START - timedelta(hours=1))
    for number, record in enumerate([bad(1)[0], seen_again, seen_before]):
        warehouse.commit(batch_id(number), epoch, fold_of([record]))
    assert sql("select seen, first_seen, last_seen from rejects") == [
        (3, START - timedelta(hours=1), START + timedelta(hours=1))
    ]


def test_records_without_a_number_are_rejected_outside_the_ledger(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    warehouse.commit(batch_id(0), epoch, fold_of([Rec("s", None, good=False)]))
    assert sql("select sequence, seen from rejects") == [(None, 1)]
    assert not sql("select * from ledger_ranges")


def test_a_late_record_lands_in_its_window_and_is_flagged(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    warehouse.commit(batch_id(0), epoch, fold_of(good(1)))
    end = START + timedelta(minutes=1)
    just = Rec("s", 2, arrived=end + timedelta(minutes=10))
    late = Rec("s", 3, arrived=end + timedelta(minutes=10, microseconds=1))
    very_late = Rec("s", 4, arrived=end + timedelta(days=3))
    warehouse.commit(batch_id(1), epoch, fold_of([just, late, very_late]))
    assert sql("select window_start, records, late_records from web_traffic_1m") == [(START, 4, 2)]


def test_progress_moves_forward_only_and_by_the_number_not_the_text(
    warehouse: Warehouse,
) -> None:
    epoch = warehouse.take_epoch("events")
    later = START + timedelta(seconds=9)
    for number, entry in enumerate(
        [shard(position=""), shard(position="9"), shard(position="10", frontier=later), shard(position="9")]
    ):
        warehouse.commit(batch_id(number), epoch, fold_of([], progress=[entry]))
    assert warehouse.progress("events") == [shard(position="10", frontier=later)]


def test_progress_keeps_parents_and_closed_shards_and_is_per_stream(warehouse: Warehouse) -> None:
    epoch = warehouse.take_epoch("events")
    entries = [shard("a", closed=True), shard("b", parents=("a",)), shard("c", parents=("a", "z"))]
    warehouse.commit(batch_id(0), epoch, fold_of([], progress=entries))
    assert warehouse.progress("events") == entries
    assert warehouse.progress("other") == []


EXTREMES: list[dict[str, Any]] = [
    {"path": "/" + "ü" * 3_999 + "x", "bytes": 2**53 - 1},
    {"path": "/" + "".join(chr(c) for c in range(1, 128)), "bytes": 0},
    {"path": "\\.", "bytes": None},
    {"path": "a\n\\.\nb\t\\N\r\"'", "bytes": 1},
    {"path": "\\N", "bytes": 1},
    {"path": "", "method": "", "client_address": "", "bytes": 2**53 - 1},
    {"path": "\U0010ffff\ufffd\ufeff", "method": "%s", "user_agent": None, "client_address": None},
]


@pytest.mark.parametrize(
    "at",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        START,
    ],
)
def test_extremes_commit_and_come_back_equal(warehouse: Warehouse, sql: Sql, at: datetime) -> None:
    epoch = warehouse.take_epoch("events")
    records = [Rec("s" * 256, n, at=at).with_data(**data) for n, data in enumerate(EXTREMES, start=1)]
    warehouse.commit(batch_id(0), epoch, fold_of(records))
    repeated = [replace(record, number=cast("int", record.number) + 2**53 - 100) for record in records]
    warehouse.commit(batch_id(1), epoch, fold_of(repeated))
    found = {path: (n, total) for path, n, total in sql("select path, records, bytes from web_paths_5m")}
    assert found == {str(d["path"]): (2, 2 * (d.get("bytes", 512) or 0)) for d in EXTREMES}
    [(start, end)] = sql("select min(window_start), max(window_end) from web_traffic_1m")
    assert start <= at < end
    assert sql("select max(last_number) from ledger_ranges")[0][0] == 2**53 - 100 + len(EXTREMES)


def test_rejects_of_any_shape_do_not_stop_the_stream(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")

    def fold(exclusions: Exclusions) -> FoldedBatch:
        batch = fold_of(bad(1))(exclusions)
        assert batch.rejects is not None
        rows = batch.rejects.to_pylist()
        nasty = {
            "record_type": "ü" * 5_000,
            "errors": "\0\0",
            "raw": bytes(range(256)) * 2_048,
            "raw_place": "\\.",
        }
        return replace(batch, rejects=batch.rejects.from_pylist([rows[0] | nasty], batch.rejects.schema))

    warehouse.commit(batch_id(0), epoch, fold)
    [(record_type, errors, raw, place)] = sql("select record_type, errors, raw, raw_place from rejects")
    assert len(str(record_type).encode()) <= 256
    assert str(record_type).startswith("üüü")
    assert (errors, place) == ("\ufffd\ufffd", "\\.")
    assert bytes(raw) == bytes(range(256)) * 2_048


def test_rows_that_repeat_a_key_are_refused_before_they_could_become_two_windows(
    warehouse: Warehouse, sql: Sql
) -> None:
    epoch = warehouse.take_epoch("events")
    batch = fold_of(good(1))(Exclusions())
    twice = {name: pa.concat_tables([rows, rows]) for name, rows in batch.windows.items()}
    with pytest.raises(WarehouseRefused, match="repeat a key"):
        warehouse.commit(batch_id(0), epoch, lambda _: replace(batch, windows=twice))
    with pytest.raises(WarehouseRefused, match="not prepared"):
        warehouse.commit(batch_id(0), epoch, lambda _: replace(batch, windows={"x": twice["web_paths_5m"]}))
    assert not sql("select * from batches")
