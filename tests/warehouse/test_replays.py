"""What the way back asks of the warehouse."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from headrace.warehouse.probe import BEFORE_COMMIT
from headrace.warehouse.replays import Marks, RejectRow, Replays, Wanted
from tests.doubles.clock import START, ManualClock
from tests.warehouse.queries import EACH_ENGINE, Sql

pytestmark = pytest.mark.stack
ENGINES = EACH_ENGINE

PAGE = 200


def row(number: int, **changes: object) -> RejectRow:
    whole = RejectRow(
        id=f"{number:064x}",
        stage="stream_job",
        code="wrong_type",
        record_type="web_access.v1",
        source="web-1/A",
        sequence=number,
        errors="[]",
        raw=b"\x00\xff",
        raw_length=2,
        raw_sha256="0" * 64,
        raw_place=None,
        shard="shardId-000000000000",
        shard_sequence="1",
        first_seen=START,
    )
    return whole._replace(**changes)  # type: ignore[arg-type]


@pytest.fixture
def replays(address: str, clock: ManualClock) -> Iterator[Replays]:
    clock.advance(60)
    replays = Replays(address, clock)
    yield replays
    replays.close()


def keep(url: str, rows: list[RejectRow]) -> None:
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        names = ", ".join(RejectRow._fields)
        places = ", ".join(["%s"] * len(RejectRow._fields))
        cursor.executemany(
            f"INSERT INTO rejects ({names}, last_seen, seen, seen_on_errors) VALUES ({places}, %s, 1, 0)",
            [(*each, each.first_seen) for each in rows],
        )


def test_every_row_comes_once_however_many_were_met_at_one_instant(url: str, replays: Replays) -> None:
    rows = [row(number, first_seen=START + timedelta(seconds=number // 450)) for number in range(1, 1001)]
    keep(url, rows[::-1])
    assert list(replays.rejects(Wanted())) == rows
    assert replays.count(Wanted()) == 1000


def test_lines_of_loan_files_are_not_put_on_a_stream(url: str, replays: Replays) -> None:
    keep(url, [row(1, stage="batch", source="batch/a.txt/0"), row(2, stage="error_desk,transform"), row(3)])
    assert [each.sequence for each in replays.rejects(Wanted(again=True))] == [2, 3]
    assert replays.count(Wanted(stages=("batch",))) == 0


def test_rows_come_whole_while_earlier_ones_are_marked(url: str, replays: Replays) -> None:
    keep(url, [row(number) for number in range(1, 2 * PAGE + 1)])
    found = 0
    for each in replays.rejects(Wanted()):
        replays.mark(Marks(rejects=[each.id])) if found % 50 == 0 else None
        found += 1
    assert found == 2 * PAGE


def test_a_number_is_settled_by_its_range_and_by_no_other_source(
    url: str, replays: Replays, sql: Sql
) -> None:
    keep(url, [row(number) for number in range(1, 8)] + [row(9, source=None), row(10, sequence=None)])
    for source, fate, first, last in (
        ("web-1/A", "counted", 1, 2),
        ("web-1/A", "rejected", 3, 3),
        ("web-1/A", "written_off", 5, 6),
        ("web-2/B", "counted", 1, 100),
        (f"replay/{9:064x}", "counted", 1, 1),
    ):
        sql("INSERT INTO ledger_ranges VALUES (%s, %s, %s, %s)", source, fate, first, last)
    assert [each.sequence for each in replays.rejects(Wanted())] == [3, 4, 7, None]
    others = [row(n) for n in (1, 3, 4, 20)] + [row(30, sequence=2), row(31, source=None)]
    assert [int(each.id, 16) for each in replays.unknown(others)] == [20, 31]


def test_marks_are_kept_and_may_be_made_again(url: str, replays: Replays, sql: Sql) -> None:
    keep(url, [row(1), row(2)])
    marks = Marks(rejects=[row(1).id], archived=[row(3)], lines=[("failed/a", 0), ("failed/a", 7)])
    for _ in range(2):
        replays.mark(marks)
    assert sql("SELECT id, seen FROM rejects WHERE replayed_at IS NOT NULL ORDER BY id") == [
        (row(1).id, 1),
        (row(3).id, 0),
    ]
    assert replays.replayed_lines("failed/a") == {0, 7}
    assert replays.replayed_lines("failed/b") == set()
    assert sql("SELECT COUNT(*) FROM replayed_lines") == [(2,)]
    assert [each.id for each in replays.rejects(Wanted())] == [row(2).id]
    assert replays.unknown([row(3)]) == []


def test_a_row_that_the_archive_gave_is_the_very_row(replays: Replays) -> None:
    odd = row(
        3, raw=bytes(range(256)), errors='[{"path":"$","message":"tab\\t"}]', source="ü\\N/A", shard=None
    )
    replays.mark(Marks(archived=[odd]))
    assert list(replays.rejects(Wanted(again=True))) == [odd]


def test_a_mark_waits_for_the_writer_that_holds_the_lock(url: str, address: str, clock: ManualClock) -> None:
    keep(url, [row(1)])
    reached: list[str] = []
    replays = Replays(address, clock, probe=reached.append)
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE writer_lock")
        marking = threading.Thread(target=replays.mark, args=(Marks(rejects=[row(1).id]),))
        marking.start()
        with psycopg.connect(url, autocommit=True) as looking:
            waiting = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = 'writer_lock'::regclass"
            while looking.execute(waiting).fetchone() != (1,):
                assert marking.is_alive()
        assert reached == []
        other.rollback()
    marking.join(60)
    assert reached[0] == BEFORE_COMMIT
    replays.close()
