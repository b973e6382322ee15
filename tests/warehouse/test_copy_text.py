import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.schemas import tables
from headrace.schemas.tables import Column, Table
from headrace.schemas.targets.postgresql import create_table
from headrace.warehouse.copy_text import ROWS_PER_CHUNK, copy_text
from headrace.warehouse.opening import open_session
from headrace.warehouse.staging import arrow_schema

TABLE = Table(
    "every_type",
    tuple(
        Column(name, type_, nullable=True)
        for name, type_ in {
            "t": tables.text(1_000),
            "b": tables.BIGINT,
            "i": tables.INT,
            "d": tables.decimal(38, 0),
            "f": tables.DOUBLE,
            "o": tables.BOOLEAN,
            "s": tables.TIMESTAMP,
            "x": tables.binary(1_000),
        }.items()
    ),
)
whole = st.integers(-(10**38) + 1, 10**38 - 1)
instants = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis adds the zone
VALUES = (
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**31), 2**31 - 1),
    whole.map(Decimal),
    st.floats(allow_nan=False),
    st.booleans(),
    instants,
    st.binary(),
)
rows = st.tuples(*(st.none() | values for values in VALUES))


Echo = Callable[[list[tuple[object, ...]]], list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def echo(server: Callable[[str], str]) -> Iterator[Echo]:
    """Sends rows through COPY and reads them back."""
    session = open_session(server("postgres"))

    def send(values: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        schema = arrow_schema(TABLE)
        columns = zip(*values, strict=True) if values else [[] for _ in schema]
        table = pa.table([pa.array(v, f.type) for v, f in zip(columns, schema, strict=True)], schema=schema)
        with session.transaction() as cursor:
            cursor.execute(create_table(TABLE))
            cursor.stage(TABLE, "stage_every_type", [table])
            cursor.execute("SELECT * FROM stage_every_type")
            return cursor.fetchall()

    yield send
    session.close()


@pytest.mark.stack
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(rows, max_size=8))
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
