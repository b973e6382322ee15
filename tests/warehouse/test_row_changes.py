from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest

from headrace.warehouse import row_changes
from headrace.warehouse.opening import open_session
from headrace.warehouse.row_changes import FEW_ROWS
from headrace.warehouse.session import Cursor, Row
from headrace.warehouse.system_tables import ARCHIVE_GAPS, LOCK_WRITERS
from tests.warehouse.queries import EACH_ENGINE, Sql
from tests.warehouse.simulation import START

pytestmark = pytest.mark.stack
ENGINES = EACH_ENGINE


def gaps(count: int) -> list[Row]:
    moment = START + timedelta(microseconds=1)
    return [("it's", first, first, START if first % 2 else moment) for first in range(1, count + 1)]


UNLIKE: list[Row] = [
    ("its", 1, 1, START),
    ("it's", 1, 9, START),
    ("it's", 1, 1, START - timedelta(seconds=1)),
]
"""Rows that differ from the first of these in one column each."""


@pytest.fixture
def change(address: str) -> Callable[[Callable[[Cursor], None]], None]:
    def run(work: Callable[[Cursor], None]) -> None:
        with closing(open_session(address)) as session, session.transaction() as cursor:
            cursor.execute(LOCK_WRITERS)
            work(cursor)

    return run


@pytest.mark.parametrize("count", [1, FEW_ROWS, FEW_ROWS + 1])
def test_exactly_these_rows_come_and_go(
    change: Callable[[Callable[[Cursor], None]], None], sql: Sql, count: int
) -> None:
    rows = gaps(count)

    def put_in(cursor: Cursor) -> None:
        row_changes.insert(cursor, ARCHIVE_GAPS, rows)
        row_changes.insert(cursor, ARCHIVE_GAPS, [])

    def take_out(cursor: Cursor) -> None:
        row_changes.delete(cursor, ARCHIVE_GAPS, rows)
        row_changes.delete(cursor, ARCHIVE_GAPS, [])

    change(lambda cursor: row_changes.insert(cursor, ARCHIVE_GAPS, UNLIKE))
    change(put_in)
    assert sorted(sql("select * from archive_gaps")) == sorted([*rows, *UNLIKE])
    change(take_out)
    assert sorted(sql("select * from archive_gaps")) == sorted(UNLIKE)
