import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from headrace.errors import SchemaMismatch, WarehouseRefused, WarehouseUnavailable
from headrace.warehouse import probe as points
from headrace.warehouse.desk import START, Desk, Position, positions
from headrace.warehouse.probe import Probe, no_probe
from headrace.warehouse.staging import arrow_schema
from headrace.warehouse.system_tables import REJECTS
from tests.doubles.clock import START as NOON
from tests.doubles.clock import ManualClock
from tests.producers.processes import wait_for
from tests.warehouse.queries import EACH_ENGINE

pytestmark = pytest.mark.stack
ENGINES = EACH_ENGINE

Sql = Callable[..., list[tuple[Any, ...]]]
STREAM, SHARD = "errors@1", "shardId-000000000000"


def at(number: int, sub: int = 0) -> Position:
    return Position.of(f"{number:021d}", sub)


def row(number: int) -> dict[str, Any]:
    given = {
        "id": f"{number:064x}",
        "stage": "transform",
        "code": "not_json",
        "errors": "[]",
        "raw": b"line %d" % number,
        "raw_length": 6,
        "raw_sha256": "0" * 64,
        "first_seen": NOON,
        "last_seen": NOON,
        "seen": 0,
        "seen_on_errors": 1,
    }
    return dict.fromkeys(column.name for column in REJECTS.columns) | given


def rows(*numbers: int) -> Callable[[Position], pa.Table | None]:
    """One row for each record, at its own number."""

    def behind(position: Position) -> pa.Table | None:
        left = [row(number) for number in numbers if at(number) > position]
        return pa.Table.from_pylist(left, schema=arrow_schema(REJECTS)) if left else None

    return behind


@pytest.fixture
def desk(address: str, clock: ManualClock) -> Iterator[Callable[..., Desk]]:
    opened: list[Desk] = []

    def open_one(probe: Probe = no_probe) -> Desk:
        opened.append(Desk(address, clock, probe=probe))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def merged(sql: Sql) -> list[tuple[bytes, int]]:
    return [(bytes(raw), seen) for raw, seen in sql("SELECT raw, seen_on_errors FROM rejects ORDER BY id")]


def test_places_compare_by_number_whatever_their_texts_length() -> None:
    assert START < Position.of("9", 0) < Position.of("10", 0) < Position.of("10", 1) < Position.of("011", 0)


def test_rows_and_place_are_written_together(desk: Callable[..., Desk], sql: Sql) -> None:
    assert desk().merge(STREAM, SHARD, at(2), rows(1, 2)) == 2
    assert merged(sql) == [(b"line 1", 1), (b"line 2", 1)]
    assert sql("SELECT * FROM desk_progress") == [(STREAM, SHARD, f"{2:021d}", 0, NOON)]


@pytest.mark.parametrize("point", [points.AFTER_STAGE, points.BEFORE_COMMIT])
def test_a_writer_that_dies_before_the_commit_leaves_nothing(
    desk: Callable[..., Desk], sql: Sql, point: str
) -> None:
    def die(reached: str) -> None:
        if reached == point:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk(die).merge(STREAM, SHARD, at(2), rows(1, 2))
    assert merged(sql) == sql("SELECT * FROM desk_progress") == []


def test_a_writer_that_never_hears_of_its_commit_merges_nothing_twice(
    desk: Callable[..., Desk], sql: Sql
) -> None:
    def lose(reached: str) -> None:
        if reached == points.AFTER_COMMIT:
            raise WarehouseUnavailable("the reply was lost")

    with pytest.raises(WarehouseUnavailable):
        desk(lose).merge(STREAM, SHARD, at(2), rows(1, 2))
    assert desk().merge(STREAM, SHARD, at(2), rows(1, 2)) == 0
    assert merged(sql) == [(b"line 1", 1), (b"line 2", 1)]


def test_of_an_overlapping_delivery_only_what_lies_behind_is_merged(
    desk: Callable[..., Desk], sql: Sql
) -> None:
    desk().merge(STREAM, SHARD, at(2), rows(1, 2))
    assert desk().merge(STREAM, SHARD, at(4), rows(1, 2, 3, 4)) == 2
    assert desk().merge(STREAM, SHARD, at(3), rows(1, 2, 3)) == 0
    assert [seen for _, seen in merged(sql)] == [1, 1, 1, 1]
    assert positions_of(sql) == [f"{4:021d}"]


def test_shards_and_streams_made_anew_have_places_of_their_own(desk: Callable[..., Desk], sql: Sql) -> None:
    for stream, shard in [(STREAM, SHARD), (STREAM, "shardId-000000000001"), ("errors@2", SHARD)]:
        assert desk().merge(stream, shard, at(1), rows(1)) == 1
    assert merged(sql) == [(b"line 1", 3)]


def test_two_owners_of_one_shard_take_turns_and_merge_once(
    desk: Callable[..., Desk], sql: Sql, url: str
) -> None:
    results: list[int] = []
    late = threading.Thread(
        target=lambda: results.append(desk().merge(STREAM, SHARD, at(2), rows(1, 2))), daemon=True
    )
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE writer_lock")
        late.start()
        wait_for(lambda: sql("SELECT 1 FROM pg_locks WHERE NOT granted"))
        other.execute("INSERT INTO desk_progress VALUES (%s, %s, %s, 0, now())", [STREAM, SHARD, f"{1:021d}"])
        other.commit()
    late.join(20)
    assert results == [1]
    assert merged(sql) == [(b"line 2", 1)]


def test_what_the_job_rejected_and_the_desk_met_is_one_row(desk: Callable[..., Desk], sql: Sql) -> None:
    desk().merge(STREAM, SHARD, at(1), rows(1))
    by_the_job = "stage = 'stream_job', source = 'web-7', sequence = 1, seen = 4, seen_on_errors = 0"
    sql(f"UPDATE rejects SET {by_the_job}")
    desk().merge(STREAM, SHARD, at(2), lambda _: rows(1)(START))
    columns = "stage, source, sequence, seen, seen_on_errors"
    assert sql(f"SELECT {columns} FROM rejects") == [("stream_job,transform", "web-7", 1, 4, 1)]


def test_a_refused_row_leaves_the_place_where_it_was(desk: Callable[..., Desk], sql: Sql) -> None:
    sql("ALTER TABLE rejects ADD CHECK (raw <> 'line 2'::bytea)")
    with pytest.raises(WarehouseRefused):
        desk().merge(STREAM, SHARD, at(3), rows(1, 2, 3))
    assert (merged(sql), positions_of(sql)) == ([], [])


def test_a_reject_is_found_by_its_id_without_reading_all_of_them(sql: Sql, warehouse: object) -> None:  # noqa: ARG001  it makes the tables
    assert [
        d for (d,) in sql("SELECT indexdef FROM pg_indexes WHERE tablename = 'rejects'") if d.endswith("(id)")
    ]


def test_positions_are_told_by_shard_as_kinesis_takes_them(desk: Callable[..., Desk], address: str) -> None:
    desk().merge(STREAM, SHARD, at(2), rows(1, 2))
    desk().merge("errors@2", SHARD, at(9), rows(9))
    assert positions(address, STREAM) == {SHARD: f"{2:021d}"}
    assert positions(address, "errors@3") == {}


def test_without_tables_the_remedy_is_told(empty_url: str, clock: ManualClock) -> None:
    with pytest.raises(SchemaMismatch, match="headrace up"):
        positions(empty_url, STREAM)
    desk = Desk(empty_url, clock)
    with pytest.raises(SchemaMismatch, match="headrace up"):
        desk.merge(STREAM, SHARD, at(1), rows(1))
    desk.close()


def positions_of(sql: Sql) -> list[str]:
    return [str(position) for (position,) in sql("SELECT read_position FROM desk_progress")]
