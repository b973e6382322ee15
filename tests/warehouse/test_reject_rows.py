"""One row per rejected record, whoever saw it first: the stream job on `events`, the desk on `errors`."""

import itertools
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.warehouse import merge_sql
from headrace.warehouse.batch_writer import merge_rejects
from headrace.warehouse.opening import open_session
from headrace.warehouse.staging import arrow_schema
from headrace.warehouse.system_tables import LOCK_WRITERS, REJECTS
from tests.warehouse.queries import EACH_ENGINE, Sql
from tests.warehouse.simulation import START

pytestmark = pytest.mark.stack
ENGINES = EACH_ENGINE
SECOND = timedelta(seconds=1)

COMMON: dict[str, Any] = {
    "id": "ab" * 32,
    "code": "bad_value",
    "errors": "[]",
    "raw": b"{}",
    "raw_length": 2,
    "raw_sha256": "cd" * 32,
    "replayed_at": None,
}
JOB = COMMON | {
    "stage": "stream_job",
    "source": "web-1/A",
    "sequence": 4,
    "record_type": None,
    "shard": "shardId-000000000000",
    "shard_sequence": "42",
    "raw_place": None,
    "first_seen": START,
    "last_seen": START + SECOND,
    "seen": 2,
    "seen_on_errors": 0,
}
DESK = COMMON | {
    "stage": "transform",
    "source": None,
    "sequence": None,
    "record_type": "web_access.v1",
    "shard": None,
    "shard_sequence": None,
    "raw_place": "kinesis:shardId-000000000000/42",
    "first_seen": START + SECOND,
    "last_seen": START + 2 * SECOND,
    "seen": 0,
    "seen_on_errors": 1,
}
BOTH = COMMON | {
    "stage": "stream_job,transform",
    "source": "web-1/A",
    "sequence": 4,
    "record_type": "web_access.v1",
    "shard": "shardId-000000000000",
    "shard_sequence": "42",
    "raw_place": "kinesis:shardId-000000000000/42",
    "first_seen": START,
    "last_seen": START + 2 * SECOND,
    "seen": 2,
    "seen_on_errors": 1,
}


def put(address: str, *rows: dict[str, Any]) -> None:
    """Each row in a transaction of its own."""
    with closing(open_session(address)) as session:
        for row in rows:
            table = pa.Table.from_pylist([row], schema=arrow_schema(REJECTS))
            with session.transaction() as cursor:
                cursor.execute(LOCK_WRITERS)
                merge_rejects(cursor, table)


def held(sql: Sql) -> dict[str, Any]:
    names = [column.name for column in REJECTS.columns]
    [row] = sql(f"select {', '.join(names)} from rejects")
    return dict(zip(names, row, strict=True))


@pytest.mark.parametrize("order", [(JOB, DESK), (DESK, JOB)], ids=["job first", "desk first"])
def test_the_job_and_the_desk_make_one_row_whoever_comes_first(
    address: str, sql: Sql, order: Sequence[dict[str, Any]]
) -> None:
    put(address, *order)
    assert held(sql) == BOTH


def test_what_one_place_has_seen_again_adds_to_its_own_count(address: str, sql: Sql) -> None:
    put(address, JOB, DESK, JOB, DESK, DESK)
    assert held(sql) == BOTH | {"seen": 4, "seen_on_errors": 3}
    assert sql("select stage, rejects, seen from rejects_per_minute") == [("stream_job,transform", 1, 4)]


def test_a_reject_that_is_met_again_after_its_replay_keeps_when_that_was(address: str, sql: Sql) -> None:
    put(address, JOB)
    sql("update rejects set replayed_at = %s", START + 5 * SECOND)
    put(address, JOB, DESK)
    assert held(sql) == BOTH | {"seen": 4, "replayed_at": START + 5 * SECOND}


names = st.sampled_from(["producer", "stream_job", "transform"])
lists = st.lists(names, min_size=1, max_size=3, unique=True).map(",".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lists, lists)
def test_stages_unite_without_repeats_in_an_order_that_does_not_depend_on_arrival(
    sql: Sql, one: str, other: str
) -> None:
    rule = merge_sql.union("a", "b")
    query = f"select {rule} from (select cast(%s as varchar) as a, cast(%s as varchar) as b) as pair"
    [(found,)], [(turned,)] = sql(query, one, other), sql(query, other, one)
    assert found == turned
    assert len(found.split(",")) == len({*one.split(","), *other.split(",")})
    assert set(found.split(",")) == {*one.split(","), *other.split(",")}


def test_stages_that_nobody_declared_never_outgrow_their_column(address: str, sql: Sql) -> None:
    strange = [letter * 64 for letter in ("a", "b", "ü", "€", "\N{GRINNING FACE}", "\N{DIGIT FIVE}")]
    for stage in itertools.chain(strange, strange):
        put(address, JOB | {"stage": stage})
    found = held(sql)
    assert len(found["stage"].encode()) <= 256
    assert found["seen"] == 24


def test_an_instant_is_the_earliest_and_the_latest_of_both(address: str, sql: Sql) -> None:
    def at(first: datetime, last: datetime) -> dict[str, Any]:
        return DESK | {"first_seen": first, "last_seen": last}

    put(address, at(START, START), at(START - SECOND, START - SECOND), at(START + SECOND, START + SECOND))
    assert (held(sql)["first_seen"], held(sql)["last_seen"]) == (START - SECOND, START + SECOND)
