"""What only Redshift does otherwise. The rest is in the tests of both engines."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlglot
from sqlglot import exp

from headrace.errors import SchemaMismatch, WarehouseUnavailable
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.batch import Exclusions
from headrace.warehouse.desk import Desk, Position
from headrace.warehouse.opening import open_session
from headrace.warehouse.replays import Marks, Replays, Wanted
from headrace.warehouse.session import Cursor, Session
from headrace.warehouse.warehouse import connect as open_warehouse
from tests.doubles.clock import ManualClock
from tests.doubles.redshift import Fault, RedshiftDouble
from tests.warehouse.queries import Sql, requests, state
from tests.warehouse.simulation import START, bad, batch_id, edit, fold_of, good, shard, signup

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("redshift")]
ENGINES = ("redshift",)


@pytest.fixture
def session(address: str) -> Iterator[Session]:
    with closing(open_session(address)) as opened:
        yield opened


def test_a_session_speaks_utc_and_no_statement_waits_for_ever(session: Session) -> None:
    with session.cursor() as cursor:
        cursor.execute("SELECT current_setting('timezone'), current_setting('statement_timeout')")
        assert cursor.fetchone() == ("UTC", "10min")


def test_a_snapshot_cannot_write(session: Session) -> None:
    with pytest.raises(WarehouseUnavailable, match="25006"), session.snapshot() as cursor:
        cursor.execute("DROP TABLE rejects")


def test_writers_look_for_the_tables_and_make_none(
    session: Session, redshift: RedshiftDouble, sql: Sql
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


def is_counted(text: str) -> bool:
    """Whether the statement is not one of those that open a connection."""
    return not text.startswith("SET ")


class FailAt:
    """Fails the statement of this number, once."""

    def __init__(self, number: int, fault: Fault) -> None:
        self._number = number
        self._fault = fault
        self.text = ""

    def __call__(self, text: str) -> Fault | None:
        self._number -= is_counted(text)
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
    redshift.faults = FailAt(1, fault)
    with pytest.raises(WarehouseUnavailable):
        writer.commit()
    redshift.statements.clear()
    writer.commit()  # on a connection that has left nothing, as after each failure
    last = sum(is_counted(text) for text in redshift.statements)
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


def test_a_batch_makes_few_statements(writer: Writer, redshift: RedshiftDouble) -> None:
    """Each is two round trips; temporary tables of the batch before go in one."""
    for _ in range(2):
        writer.commit()
        writer.next()
    redshift.statements.clear()
    writer.commit()
    assert len(redshift.statements) <= 60
    assert sum(text.startswith("DROP TABLE") for text in redshift.statements) == 1


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
