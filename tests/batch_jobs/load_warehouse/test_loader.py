import threading
import time
from collections.abc import Callable
from contextlib import closing

import msgspec
import psycopg
import pyarrow as pa
import pytest

from batch_jobs.load_warehouse.loader import Loader
from batch_jobs.storage import Storage
from headrace.errors import LoadMismatch, WarehouseRefused, WarehouseUnavailable
from headrace.schemas.loan_tables import LOAN_ORIGINATIONS, LOAN_PERFORMANCE, LOAN_TABLES
from headrace.schemas.registry import OUTPUTS
from headrace.schemas.tables import Table
from headrace.warehouse import preparation, probe
from headrace.warehouse.engines import postgresql_setup
from headrace.warehouse.opening import open_session
from headrace.warehouse.reconcile import reconcile
from headrace.warehouse.staging import arrow_schema
from tests.batch_jobs.load_warehouse.conftest import Loaders
from tests.batch_jobs.load_warehouse.partitions import rows, truth, write
from tests.doubles.clock import ManualClock
from tests.warehouse.queries import Sql
from tests.warehouse.test_session import LostReply

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("load_warehouse")]

BAD = [b"a|b", b"a|b", b"c|d|e"]


def held(sql: Sql, table: str = "loan_performance") -> list[tuple[object, ...]]:
    return sorted(sql(f"select * from {table}"), key=repr)


@pytest.mark.parametrize("table", LOAN_TABLES.values(), ids=lambda table: table.name)
def test_the_table_holds_what_the_files_hold(
    loader: Loader, storage: Storage, sql: Sql, table: Table
) -> None:
    output = write(storage, rows(table, 300), table=table, files=3)
    loaded = loader.load(output)
    assert (loaded.rows, loaded.already) == (300, False)
    assert held(sql, table.name) == truth(storage, output)


def test_a_file_that_the_manifest_does_not_name_is_not_loaded(
    loader: Loader, storage: Storage, sql: Sql
) -> None:
    output = write(storage, rows())
    storage.write(f"{output.folder}/part-99999.parquet", storage.read(output.files[0].path))
    loader.load(output)
    assert held(sql) == truth(storage, output)


def test_a_second_load_changes_nothing_and_needs_no_files(
    loader: Loader, storage: Storage, sql: Sql, clock: ManualClock
) -> None:
    output = write(storage, rows(), bad_lines=BAD)
    loader.load(output)
    before = held(sql), sql("select * from rejects"), sql("select * from batch_loads")
    clock.advance(60)
    for file in (*output.files, *output.error_files):
        storage.write(file.path, b"")
    assert loader.load(output).already
    assert (held(sql), sql("select * from rejects"), sql("select * from batch_loads")) == before


def test_a_vintage_delivered_anew_takes_the_place_of_its_rows_and_of_no_others(
    loader: Loader, storage: Storage, sql: Sql
) -> None:
    first, other = write(storage, rows()), write(storage, rows(vintage="2005Q2"), vintage="2005Q2")
    anew = write(storage, rows(count=60, seed=1), name="time_2005Q1.txt")
    for output in (first, other, anew):
        loader.load(output)
    assert held(sql) == truth(storage, other, anew)
    assert sql("select vintage, input_sha256, rows_loaded from batch_loads order by 1") == [
        ("2005Q1", anew.input_sha256, 60),
        ("2005Q2", other.input_sha256, 50),
    ]
    assert not loader.load(first).already, "what was replaced may come back"
    assert held(sql) == truth(storage, first, other)


def test_a_vintage_that_is_empty_now_is_emptied(loader: Loader, storage: Storage, sql: Sql) -> None:
    loader.load(write(storage, rows()))
    loader.load(write(storage, [], files=0))
    assert held(sql) == []
    assert sql("select rows_in, rows_loaded from batch_loads") == [(0, 0)]


def test_rejects_of_an_input_are_merged_once_however_often_it_is_loaded(
    loader: Loader, storage: Storage, sql: Sql
) -> None:
    output, anew = write(storage, rows(), bad_lines=BAD), write(storage, rows(seed=1), bad_lines=BAD[:1])
    query = "select raw, seen, seen_on_errors, stage, code, sequence from rejects order by raw"
    loader.load(output)
    once = [
        (b"a|b", 2, 0, "batch", "field_count", 1),
        (b"c|d|e", 1, 0, "batch", "field_count", 3),
    ]
    assert sql(query) == once
    loader.load(output, again=True)
    assert sql(query) == once
    loader.load(anew)
    loader.load(output)
    assert sql(query) == [(b"a|b", 3, *once[0][2:]), once[1]]
    assert sorted(sql("select rejected from batch_rejects")) == [(1,), (3,)]
    assert sql("select rows_in, rows_loaded, rejected from batch_loads") == [(53, 50, 3)]


@pytest.mark.parametrize("point", [probe.BEFORE_STAGE, probe.AFTER_STAGE, probe.BEFORE_COMMIT])
def test_what_is_broken_off_leaves_the_old_rows(
    loaders: Loaders, storage: Storage, sql: Sql, point: str
) -> None:
    old, new = write(storage, rows()), write(storage, rows(seed=1))
    loaders().load(old)

    def crash(at: str) -> None:
        if at == point:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loaders(crash).load(new)
    assert held(sql) == truth(storage, old)
    assert not loaders().load(new).already
    assert held(sql) == truth(storage, new)


def test_a_lost_reply_to_commit_is_asked_for_again_and_found_done(
    loaders: Loaders, url: str, storage: Storage, sql: Sql
) -> None:
    proxy, staged = LostReply(url), []
    output = write(storage, rows(), bad_lines=BAD)

    def arm(point: str) -> None:
        if point == probe.AFTER_STAGE:
            staged.append(point)
        if point == probe.BEFORE_COMMIT and len(staged) == 1:
            proxy.armed.set()

    with closing(proxy):
        assert loaders(arm, proxy.url).load(output).already
    assert len(staged) == 1
    assert held(sql) == truth(storage, output)
    assert sql("select sum(seen) from rejects") == [(3,)]


def test_a_warehouse_that_stays_away_is_told_after_some_patience(
    loaders: Loaders, storage: Storage, clock: ManualClock
) -> None:
    nowhere = loaders(at="postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(WarehouseUnavailable):
        nowhere.load(write(storage, rows()))
    assert clock.monotonic() > 10


def wait_for(holds: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_loads_of_one_partition_take_turns_and_load_it_once(
    loaders: Loaders, storage: Storage, sql: Sql
) -> None:
    output = write(storage, rows(), bad_lines=BAD)
    outcomes: list[bool] = []
    second = threading.Thread(target=lambda: outcomes.append(loaders().load(output).already))
    waiting = "select 1 from pg_locks where not granted and relation = 'batch_lock'::regclass"

    def let_the_second_come(point: str) -> None:
        if point == probe.BEFORE_COMMIT:
            second.start()
            wait_for(lambda: sql(waiting))

    outcomes.append(loaders(let_the_second_come).load(output).already)
    second.join(timeout=60)
    assert sorted(outcomes) == [False, True]
    assert held(sql) == truth(storage, output)


def test_neither_the_stream_job_nor_a_start_of_it_nor_analysts_wait_for_a_load(
    loaders: Loaders, storage: Storage, url: str, sql: Sql
) -> None:
    old, new = write(storage, rows()), write(storage, rows(seed=1))
    loaders().load(old)

    def look(point: str) -> None:
        if point != probe.BEFORE_COMMIT:
            return
        with closing(open_session(url)) as session, session.transaction() as writer:
            writer.execute("set lock_timeout = '1ms'")
            postgresql_setup.create_missing(writer, list(OUTPUTS.values()))
            writer.execute("lock table writer_lock")
        with psycopg.connect(url) as analyst:
            analyst.execute("set lock_timeout = '1ms'")
            analyst.execute(f"set role {preparation.ANALYST}")
            found = analyst.execute("select * from loan_performance").fetchall()
        assert sorted(found, key=repr) == truth(storage, old)

    loaders(look).load(new)
    assert held(sql) == truth(storage, new)


def test_a_load_does_not_change_what_reconcile_says(
    loader: Loader, storage: Storage, url: str, clock: ManualClock
) -> None:
    before = reconcile(url, clock)
    loader.load(write(storage, rows(), bad_lines=BAD))
    assert reconcile(url, clock) == before


def test_rows_of_another_vintage_are_refused(loader: Loader, storage: Storage, sql: Sql) -> None:
    strange = rows()
    strange[7]["vintage"] = "2005Q2"
    with pytest.raises(LoadMismatch, match="2005Q1 to 2005Q2"):
        loader.load(write(storage, strange))
    assert held(sql) == []


@pytest.mark.parametrize("table", [LOAN_ORIGINATIONS, LOAN_PERFORMANCE], ids=lambda table: table.name)
def test_a_key_that_comes_twice_is_refused_by_name(
    loader: Loader, storage: Storage, sql: Sql, table: Table
) -> None:
    twice = rows(table)
    twice.append(twice[0] | {"file_line": 51})
    with pytest.raises(LoadMismatch, match=twice[0]["loan_identifier"]):
        loader.load(write(storage, twice, table=table))
    assert held(sql, table.name) == []


def test_a_null_where_none_may_be_is_refused(loader: Loader, storage: Storage, sql: Sql) -> None:
    bad = rows()
    bad[3]["period"] = None
    schema = pa.schema(field.with_nullable(True) for field in arrow_schema(LOAN_PERFORMANCE))
    with pytest.raises(WarehouseRefused, match="period"):
        loader.load(write(storage, bad, schema=schema))
    assert held(sql) == []


def test_an_input_converted_anew_to_another_result_is_not_taken_for_loaded(
    loader: Loader, storage: Storage, sql: Sql
) -> None:
    output = write(storage, rows())
    loader.load(output)
    other = write(storage, rows(count=40))
    changed = msgspec.structs.replace(other, input_sha256=output.input_sha256)
    with pytest.raises(LoadMismatch, match="--again"):
        loader.load(changed)
    assert loader.load(changed, again=True).rows == 40
    assert held(sql) == truth(storage, other)
