import math
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings

from headrace.schemas.targets.postgresql import create_table
from headrace.warehouse.copy_text import ROWS_PER_CHUNK, copy_text
from headrace.warehouse.opening import open_session
from headrace.warehouse.staging import arrow_schema, rows_of
from tests.warehouse.every_type import EDGES, EVERY_TYPE, ROWS

Echo = Callable[[list[tuple[object, ...]]], list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def echo(server: Callable[[str], str]) -> Iterator[Echo]:
    """Sends rows through COPY and reads them back."""
    session = open_session(server("postgres"))

    def send(values: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        rows = rows_of(EVERY_TYPE, values) if values else arrow_schema(EVERY_TYPE).empty_table()
        with session.transaction() as cursor:
            cursor.execute(create_table(EVERY_TYPE))
            cursor.stage(EVERY_TYPE, "stage_every_type", [rows])
            cursor.execute("SELECT * FROM stage_every_type")
            return cursor.fetchall()

    yield send
    session.close()


@pytest.mark.stack
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=ROWS)
@example(values=EDGES)
def test_every_value_comes_back_equal(echo: Echo, values: list[tuple[object, ...]]) -> None:
    assert echo(values) == values


def test_large_tables_come_in_chunks_that_together_are_all_rows() -> None:
    table = pa.table({"n": pa.array(range(ROWS_PER_CHUNK * 2 + 5), pa.int64())})
    chunks = [bytes(chunk) for chunk in copy_text(table)]
    assert len(chunks) == 3
    assert b"".join(chunks).split() == [b"%d" % n for n in range(table.num_rows)]


def test_a_slice_is_its_own_rows_and_nothing_is_no_payload() -> None:
    table = pa.table({"n": pa.array(["a", None, "c\td"])})
    assert b"".join(copy_text(table.slice(1))) == b"\\N\nc\\td\n"
    assert list(copy_text(table.slice(3))) == []


def test_infinite_and_missing_numbers_have_a_text() -> None:
    table = pa.table({"f": pa.array([math.inf, -math.inf, None])})
    assert b"".join(copy_text(table)) == b"inf\n-inf\n\\N\n"
