"""Rows on their way into a temporary table of Redshift."""

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from batch_jobs.load_warehouse.loader import Loader
from batch_jobs.load_warehouse.staging import streamed
from batch_jobs.storage import Storage
from headrace.errors import SchemaMismatch, WarehouseRefused
from headrace.schemas import tables
from headrace.schemas.tables import Column, Table
from headrace.schemas.targets.postgresql import create_table
from headrace.warehouse.engines.redshift import RedshiftSession
from headrace.warehouse.engines.redshift_staging import FEW_BYTES, FEW_ROWS
from headrace.warehouse.opening import open_session
from headrace.warehouse.staging import arrow_schema, rows_of
from tests.batch_jobs.load_warehouse import partitions
from tests.doubles.clock import ManualClock
from tests.doubles.redshift import RedshiftDouble
from tests.warehouse.every_type import EDGES, EVERY_TYPE
from tests.warehouse.queries import Sql

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("redshift")]
ENGINES = ("redshift",)


@pytest.fixture
def session(address: str, sql: Sql) -> Iterator[RedshiftSession]:
    sql(create_table(EVERY_TYPE))
    opened = open_session(address)
    assert isinstance(opened, RedshiftSession)
    yield opened
    opened.close()


def staged(session: RedshiftSession, *parts: pa.Table) -> list[tuple[object, ...]]:
    with session.transaction() as cursor:
        cursor.stage(EVERY_TYPE, "stage_every_type", parts)
        cursor.execute("SELECT * FROM stage_every_type")
        return cursor.fetchall()


def test_few_rows_come_as_parameters_and_every_value_survives(
    session: RedshiftSession, redshift: RedshiftDouble
) -> None:
    assert staged(session, rows_of(EVERY_TYPE, EDGES)) == EDGES
    assert not redshift.bucket.put


def test_many_rows_come_by_copy_and_every_value_survives(
    session: RedshiftSession, redshift: RedshiftDouble
) -> None:
    half = EDGES * (FEW_ROWS // 4)
    found = staged(session, rows_of(EVERY_TYPE, half), rows_of(EVERY_TYPE, half))
    assert sorted(found, key=repr) == sorted(half * 2, key=repr)
    assert [key.rsplit("/", 1)[1] for key in redshift.bucket.put] == [
        "stage_every_type-00000.parquet",
        "stage_every_type-00001.parquet",
        "stage_every_type.manifest",
    ]


@pytest.mark.parametrize(
    ("row", "by_copy"),
    [
        (("y" * 1_000,) + (None,) * 9 + (b"z" * 100,), False),
        (("é" * 500,) + (None,) * 9 + (b"z" * 100,), False),
        (("y" * 1_000,) + (None,) * 9 + (b"z" * 101,), True),
    ],
)
def test_long_texts_and_bytes_are_too_much_for_one_statement(
    session: RedshiftSession, redshift: RedshiftDouble, row: tuple[object, ...], by_copy: bool
) -> None:
    rows = [row] * (FEW_BYTES // 1_200)
    assert staged(session, rows_of(EVERY_TYPE, rows)) == rows
    assert bool(redshift.bucket.put) == by_copy


def test_a_wide_table_has_too_many_values_for_one_statement(
    session: RedshiftSession, redshift: RedshiftDouble, sql: Sql
) -> None:
    wide = Table("wide", tuple(Column(f"c{number}", tables.BIGINT) for number in range(110)))
    sql(create_table(wide))
    for count, by_copy in ((297, False), (298, True)):
        with session.transaction() as cursor:
            cursor.stage(wide, "stage_wide", [rows_of(wide, [tuple(range(110))] * count)])
            cursor.execute("SELECT COUNT(*), SUM(c109) FROM stage_wide")
            assert cursor.fetchone() == (count, Decimal(count * 109))
        assert bool(redshift.bucket.put) == by_copy


def test_no_rows_make_an_empty_stage(session: RedshiftSession) -> None:
    assert staged(session) == []
    assert staged(session, arrow_schema(EVERY_TYPE).empty_table()) == []


def test_files_are_gone_after_the_commit_and_after_a_failure(
    session: RedshiftSession, redshift: RedshiftDouble
) -> None:
    many = rows_of(EVERY_TYPE, EDGES * FEW_ROWS)

    def fail() -> None:
        with session.transaction() as cursor:
            cursor.stage(EVERY_TYPE, "stage_every_type", [many])
            assert redshift.bucket.objects
            cursor.execute("SELECT nothing FROM every_type")

    staged(session, many)
    with pytest.raises(SchemaMismatch, match="nothing"):
        fail()
    assert len(redshift.bucket.put) == 4
    assert not redshift.bucket.objects


def test_a_session_that_writes_many_files_is_never_idle_for_long(
    session: RedshiftSession, redshift: RedshiftDouble
) -> None:
    sent: list[int] = []

    def parts() -> Iterator[pa.Table]:
        for _ in range(4):
            sent.append(len(redshift.statements))
            yield rows_of(EVERY_TYPE, EDGES)

    with session.transaction() as cursor:
        cursor.stage(EVERY_TYPE, "stage_every_type", parts())
    assert sent[3] == sent[2] + 1


def test_two_attempts_never_write_the_same_object(session: RedshiftSession, redshift: RedshiftDouble) -> None:
    for _ in range(2):
        staged(session, rows_of(EVERY_TYPE, EDGES * FEW_ROWS))
    assert len(set(redshift.bucket.put)) == 4


def test_files_that_cannot_be_removed_do_not_undo_the_commit(
    session: RedshiftSession, redshift: RedshiftDouble
) -> None:
    redshift.bucket.keeps = True
    with session.transaction() as cursor:
        cursor.execute("LOCK TABLE writer_lock")
        cursor.stage(EVERY_TYPE, "stage_every_type", [rows_of(EVERY_TYPE, EDGES * FEW_ROWS)])
        cursor.execute("INSERT INTO every_type SELECT * FROM stage_every_type")
    with session.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM every_type")
        assert cursor.fetchone() == (4 * FEW_ROWS,)


def test_a_row_that_copy_lost_fails_the_transaction(
    session: RedshiftSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.doubles.redshift.copied", lambda _bucket, _manifest: iter(()))
    with pytest.raises(WarehouseRefused, match=f"{4 * FEW_ROWS} rows were written .* 0 were loaded"):
        staged(session, rows_of(EVERY_TYPE, EDGES * FEW_ROWS))


@pytest.mark.parametrize("count", [50, 1_000])
def test_a_vintage_of_loans_is_loaded_once(address: str, sql: Sql, tmp_path: Path, count: int) -> None:
    storage = Storage(str(tmp_path), {})
    output = partitions.write(storage, partitions.rows(count=count))
    with closing(open_session(address)) as session:
        loader = Loader(session, storage, ManualClock(), streamed(storage))
        assert [loader.load(output).already for _ in range(2)] == [False, True]
    assert sorted(sql("select * from loan_performance"), key=repr) == partitions.truth(storage, output)


def test_the_driver_keeps_no_text_of_what_was_staged(session: RedshiftSession) -> None:
    for count in range(1, 4):
        staged(session, rows_of(EVERY_TYPE, EDGES * count))
    assert session._connection._caches == {}
