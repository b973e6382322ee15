"""What only Redshift does otherwise. The rest is in the tests of both engines."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from batch_jobs.load_warehouse.loader import Loader
from batch_jobs.load_warehouse.staging import streamed
from batch_jobs.storage import Storage
from headrace.errors import SchemaMismatch, WarehouseRefused, WarehouseUnavailable
from headrace.schemas import tables
from headrace.schemas.registry import OUTPUTS
from headrace.schemas.tables import Column, Table
from headrace.schemas.targets.postgresql import create_table
from headrace.warehouse.batch import Exclusions
from headrace.warehouse.desk import Desk, Position
from headrace.warehouse.engines.redshift import RedshiftSession
from headrace.warehouse.engines.redshift_staging import FEW_BYTES, FEW_ROWS
from headrace.warehouse.opening import open_session
from headrace.warehouse.replays import Marks, Replays, Wanted
from headrace.warehouse.session import Cursor, Session
from headrace.warehouse.staging import arrow_schema, rows_of
from headrace.warehouse.warehouse import connect as open_warehouse
from tests.batch_jobs.load_warehouse import partitions
from tests.doubles.clock import ManualClock
from tests.doubles.redshift import Fault, RedshiftDouble
from tests.warehouse.queries import Sql, requests, state
from tests.warehouse.simulation import START, bad, batch_id, edit, fold_of, good, shard, signup

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("redshift")]
ENGINES = ("redshift",)
EVERY_TYPE = Table(
    "every_type",
    tuple(
        Column(name, type_, nullable=True)
        for name, type_ in {
            "t": tables.text(1_000),
            "b": tables.BIGINT,
            "i": tables.INT,
            "s": tables.SMALLINT,
            "n": tables.decimal(38, 0),
            "m": tables.decimal(18, 4),
            "f": tables.DOUBLE,
            "o": tables.BOOLEAN,
            "d": tables.DATE,
            "at": tables.TIMESTAMP,
            "x": tables.binary(1_000),
        }.items()
    ),
)
LAST = datetime(2199, 12, 31, 23, 59, 59, 999_999, UTC)
VALUES: list[tuple[object, ...]] = [
    ("", 0, 0, 0, Decimal(0), Decimal("0.0000"), 0.0, False, START.date(), START, b""),
    ("it's 100 %s\t\\N\n€", -(2**63), -(2**31), -(2**15), Decimal(-(10**38) + 1), Decimal("-0.0001"),
     -1e-300, True, LAST.date(), LAST, bytes(range(256))),
    ("x" * 1_000, 2**63 - 1, 2**31 - 1, 2**15 - 1, Decimal(10**38 - 1), Decimal("99999999999999.9999"),
     1.7976931348623157e308, True, datetime(1970, 1, 1, tzinfo=UTC).date(), datetime(1970, 1, 1, tzinfo=UTC),
     b"\0"),
    (None,) * 11,
]  # fmt: skip


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
    assert staged(session, rows_of(EVERY_TYPE, VALUES)) == VALUES
    assert not redshift.bucket.put


def test_many_rows_come_by_copy_and_every_value_survives(
    session: RedshiftSession, redshift: RedshiftDouble
) -> None:
    half = VALUES * (FEW_ROWS // 4)
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
    many = rows_of(EVERY_TYPE, VALUES * FEW_ROWS)

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


def test_two_attempts_never_write_the_same_object(session: RedshiftSession, redshift: RedshiftDouble) -> None:
    for _ in range(2):
        staged(session, rows_of(EVERY_TYPE, VALUES * FEW_ROWS))
    assert len(set(redshift.bucket.put)) == 4


def test_files_that_cannot_be_removed_do_not_undo_the_commit(
    session: RedshiftSession, redshift: RedshiftDouble
) -> None:
    redshift.bucket.keeps = True
    with session.transaction() as cursor:
        cursor.execute("LOCK TABLE writer_lock")
        cursor.stage(EVERY_TYPE, "stage_every_type", [rows_of(EVERY_TYPE, VALUES * FEW_ROWS)])
        cursor.execute("INSERT INTO every_type SELECT * FROM stage_every_type")
    with session.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM every_type")
        assert cursor.fetchone() == (4 * FEW_ROWS,)


def test_a_row_that_copy_lost_fails_the_transaction(
    session: RedshiftSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.doubles.redshift.copied", lambda _bucket, _manifest: iter(()))
    with pytest.raises(WarehouseRefused, match=f"{4 * FEW_ROWS} rows were written .* 0 were loaded"):
        staged(session, rows_of(EVERY_TYPE, VALUES * FEW_ROWS))


@pytest.mark.parametrize("count", [50, 1_000])
def test_a_vintage_of_loans_is_loaded_once(address: str, sql: Sql, tmp_path: Path, count: int) -> None:
    storage = Storage(str(tmp_path), {})
    output = partitions.write(storage, partitions.rows(count=count))
    with closing(open_session(address)) as session:
        loader = Loader(session, storage, ManualClock(), streamed(storage))
        assert [loader.load(output).already for _ in range(2)] == [False, True]
    assert sorted(sql("select * from loan_performance"), key=repr) == partitions.truth(storage, output)


def test_a_session_speaks_utc_and_no_statement_waits_for_ever(session: RedshiftSession) -> None:
    with session.cursor() as cursor:
        cursor.execute("SELECT current_setting('timezone'), current_setting('statement_timeout')")
        assert cursor.fetchone() == ("UTC", "10min")


def test_a_snapshot_cannot_write(session: RedshiftSession) -> None:
    with pytest.raises(WarehouseUnavailable, match="25006"), session.snapshot() as cursor:
        cursor.execute("DROP TABLE every_type")


def test_the_driver_keeps_no_text_of_what_was_staged(session: RedshiftSession) -> None:
    for count in range(1, 4):
        staged(session, rows_of(EVERY_TYPE, VALUES * count))
    assert session._connection._caches == {}


def test_writers_look_for_the_tables_and_make_none(
    session: RedshiftSession, redshift: RedshiftDouble, sql: Sql
) -> None:
    outputs = list(OUTPUTS.values())
    session.prepare(outputs)
    assert not [text for text in redshift.statements if text.startswith(("CREATE", "GRANT"))]
    sql("drop table rejects cascade")
    with pytest.raises(SchemaMismatch, match="no table rejects: `headrace migrate`"):
        session.prepare(outputs)


ALREADY = -1


class Writer:
    """Commits batch after batch on Redshift; each brings every kind of row."""

    def __init__(self, address: str) -> None:
        self._warehouse = open_warehouse(address, ManualClock())
        self._warehouse.prepare(list(OUTPUTS.values()))
        self._epoch = self._warehouse.take_epoch("events")
        self._number = 0

    def commit(self) -> int:
        """Commit the present batch; how many records it counted, or ALREADY."""
        first = self._number * 10
        records = [*good(first + 1, first + 2), edit("s", first + 3), signup("s", first + 4), *bad(first + 6)]
        fold = fold_of(records, progress=[shard(position=str(first + 1))])
        done = self._warehouse.commit(batch_id(self._number), self._epoch, fold)
        return ALREADY if done.already else done.counted

    def next(self) -> None:
        self._number += 1

    def close(self) -> None:
        self._warehouse.close()


@pytest.fixture
def writer(address: str) -> Iterator[Writer]:
    with closing(Writer(address)) as opened:
        yield opened


class FailAt:
    """Fails the statement of this number, once; those that open a connection are not counted."""

    def __init__(self, number: int, fault: Fault) -> None:
        self._number = number
        self._fault = fault
        self.text = ""

    def __call__(self, text: str) -> Fault | None:
        self._number -= not text.startswith("SET ")
        if self._number or self.text:
            return None
        self.text = text
        return self._fault


def unharmed(_text: str) -> None:
    """No fault."""


@pytest.mark.parametrize(
    ("fault", "step"), [(Fault.VIOLATION, 1), (Fault.CUT_BEFORE, 5), (Fault.CUT_AFTER, 5)]
)
def test_whichever_statement_fails_the_batch_is_in_once(
    writer: Writer, redshift: RedshiftDouble, sql: Sql, fault: Fault, step: int
) -> None:
    """The reply to COMMIT is the only one whose loss leaves the batch behind."""
    writer.commit()
    writer.next()
    redshift.statements.clear()
    writer.commit()
    last = len(redshift.statements)
    writer.next()
    before = state(sql)
    for number in range(1, last, step):
        redshift.faults = FailAt(number, fault)
        with pytest.raises(WarehouseUnavailable):
            writer.commit()
    assert state(sql) == before
    redshift.faults = failing = FailAt(last, fault)
    with pytest.raises(WarehouseUnavailable):
        writer.commit()
    assert failing.text == "COMMIT"
    assert writer.commit() == (ALREADY if fault is Fault.CUT_AFTER else 4)
    assert requests(sql) == 2 * 3


def test_a_connection_that_breaks_after_the_copy_leaves_no_file_and_no_row(
    writer: Writer, redshift: RedshiftDouble, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.warehouse.engines.redshift_staging.FEW_ROWS", 0)
    redshift.faults = lambda text: Fault.CUT_AFTER if text.startswith("COPY") else None
    before = state(sql)
    with pytest.raises(WarehouseUnavailable):
        writer.commit()
    assert state(sql) == before
    assert redshift.bucket.put
    assert not redshift.bucket.objects
    redshift.faults = unharmed
    assert writer.commit() == 4


def test_a_transaction_that_saw_the_state_before_anothers_commit_is_retryable(address: str, sql: Sql) -> None:
    """So it would go for a writer that does not lock first."""

    def add(cursor: Cursor) -> None:
        cursor.execute("UPDATE ledger_version SET version = version + 1")

    def overtaken(one: Session, other: Session) -> None:
        with one.transaction() as first:
            first.execute("LOCK TABLE batch_lock")
            first.execute("SELECT version FROM ledger_version")
            with other.transaction() as second:
                second.execute("LOCK TABLE writer_lock")
                add(second)
            add(first)

    with (
        closing(open_session(address)) as one,
        closing(open_session(address)) as other,
        pytest.raises(WarehouseUnavailable, match="1023"),
    ):
        overtaken(one, other)
    assert sql("select version from ledger_version") == [(1,)]


NOT_PARSED = {"BEGIN READ ONLY", "LOCK TABLE writer_lock"}
"""Statements of Redshift's that sqlglot does not know."""


def test_redshifts_grammar_takes_every_statement_that_writers_send(
    writer: Writer, address: str, redshift: RedshiftDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    for few in (500, 0):
        monkeypatch.setattr("headrace.warehouse.engines.redshift_staging.FEW_ROWS", few)
        writer.commit()
        writer.next()
    with closing(Desk(address, clock)) as desk:
        rejects = fold_of(bad(1, 2))(Exclusions()).rejects
        desk.merge("errors@1", "shard-0", Position.of("1", 0), lambda _: rejects)
    with closing(Replays(address, clock)) as replays:
        everything = Wanted(
            codes=("x",), types=("y",), stages=("a", "b"), sources=("s",), since=START, until=START
        )
        found = list(replays.rejects(Wanted(again=True)))
        assert replays.count(everything) == len(replays.unknown(found)) == 0
        replays.mark(Marks(rejects=[row.id for row in found], archived=found, lines=[("failed/a", 1)]))
    open_and_close_a_breaker(address)
    for begin in ("INSERT INTO breakers", "UPDATE breakers", "UPDATE ledger_outputs", "COPY", "DELETE FROM"):
        assert any(text.startswith(begin) for text in redshift.statements), begin
    not_parsed = {text for text in redshift.statements if not parses(text)}
    assert not_parsed == NOT_PARSED
    assert len(set(redshift.statements)) > 80


def open_and_close_a_breaker(address: str) -> None:
    """In a job that writes one output only: the others are retired."""
    outputs = {"web_traffic_1m": OUTPUTS["web_traffic_1m"]}
    with closing(open_warehouse(address, ManualClock())) as warehouse:
        warehouse.prepare(list(outputs.values()))
        epoch = warehouse.take_epoch("events")
        for number, records in enumerate((bad(*range(1_001, 1_201)), good(*range(2_001, 11_001)))):
            fold = fold_of(records, progress=[shard()], outputs=outputs)
            warehouse.commit(batch_id(number, query="breaker"), epoch, fold)


def parses(text: str) -> bool:
    try:
        return not isinstance(sqlglot.parse_one(text, dialect="redshift"), exp.Command)
    except sqlglot.ParseError:
        return False
