"""What every reader and operator promises, whichever way it reaches the warehouse."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

import psycopg
import pytest

from headrace.errors import HaltError, SchemaMismatch, SettingsError, WarehouseRefused, WarehouseUnavailable
from headrace.schemas.targets.sql import quote
from headrace.warehouse.engines import redshift as engines_redshift
from headrace.warehouse.operators import open_analyst, open_operator
from headrace.warehouse.reader import Operator, Reader, Rows, Statement
from tests.doubles.clock import ManualClock
from tests.doubles.data_api import DataApiDouble
from tests.doubles.redshift import RedshiftDouble
from tests.doubles.redshift_bucket import Bucket
from tests.warehouse.queries import Sql

pytestmark = pytest.mark.stack


class Way(NamedTuple):
    """An address, the environment in which it is found, and the database behind it."""

    url: str
    environ: dict[str, str]
    database: str


@contextmanager
def directly(url: str) -> Iterator[tuple[str, dict[str, str]]]:
    yield url, {}


@contextmanager
def by_data_api(url: str) -> Iterator[tuple[str, dict[str, str]]]:
    with DataApiDouble(url, page_rows=3) as double:
        environ = double.environ()
        yield environ["HEADRACE_WAREHOUSE_URL"], environ


@contextmanager
def by_driver(url: str) -> Iterator[tuple[str, dict[str, str]]]:
    with RedshiftDouble(url, Bucket()).serving() as double, pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines_redshift, "login", lambda _address: double.login())
        yield double.address, {}


_numbers = itertools.count()
WAYS = {"postgresql": directly, "redshift": by_driver, "data api": by_data_api}


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest, server: Callable[[str], str]) -> Iterator[Way]:
    database = f"reading_{next(_numbers)}"
    with psycopg.connect(server("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}")
    with WAYS[request.param](server(database)) as (url, environ):
        yield Way(url, environ, server(database))


@pytest.fixture(scope="module")
def operator(way: Way) -> Iterator[Operator]:
    opened = open_operator(way.url, ManualClock(), way.environ)
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=[open_operator, open_analyst])
def reader(request: pytest.FixtureRequest, way: Way) -> Iterator[Reader]:
    opened = request.param(way.url, ManualClock(), way.environ)
    yield opened
    opened.close()


@pytest.fixture
def sql(way: Way) -> Iterator[Sql]:
    with psycopg.connect(way.database, autocommit=True) as connection:

        def run(text: str) -> list[tuple[object, ...]]:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

        yield run


def test_values_have_their_exact_types(reader: Reader) -> None:
    (found,) = reader.read(
        Statement(
            "SELECT 9223372036854775807 AS most, CAST(7 AS SMALLINT) AS few, "
            "CAST('9007199254740993.10' AS DECIMAL(38, 2)) AS exact, CAST(0.5 AS DOUBLE PRECISION) AS half, "
            "CAST('2026-11-21 13:00:00.123456+01' AS TIMESTAMPTZ) AS at, CAST('2026-11-21' AS DATE) AS day, "
            "CAST('2026-11-21 13:00:00' AS TIMESTAMP) AS plain, TRUE AS yes, CAST(NULL AS INTEGER) AS none, "
            "'it''s \u00fc' AS word, '' AS empty, decode('00ff', 'hex') AS data"
        )
    )
    (row,) = found.rows
    assert dict(zip(found.columns, row, strict=True)) == {
        "most": 9223372036854775807,
        "few": 7,
        "exact": Decimal("9007199254740993.10"),
        "half": 0.5,
        "at": datetime(2026, 11, 21, 12, 0, 0, 123456, UTC),
        "day": date(2026, 11, 21),
        "plain": datetime(2026, 11, 21, 13, tzinfo=UTC).replace(tzinfo=None),
        "yes": True,
        "none": None,
        "word": "it's \u00fc",
        "empty": "",
        "data": b"\x00\xff",
    }
    assert [type(value) for value in row[:4]] == [int, int, Decimal, float]


@pytest.mark.parametrize(
    "values",
    [
        ("x",),
        ("it's \\ :p1 %s", "two"),
        ("",),
        (None,),
        (-3, Decimal("-0.10"), datetime(2026, 1, 2, 3, 4, 5, 6, UTC), True, "it's\\", ""),
    ],
)
def test_parameters_arrive_as_they_are(reader: Reader, values: tuple[object, ...]) -> None:
    asked = [f"COALESCE(%s, %s) {'AS a'}" if isinstance(value, str) else "%s" for value in values]
    given = [given for value in values for given in ([value, value] if isinstance(value, str) else [value])]
    first = Statement(f"SELECT {', '.join(asked)}", given)
    assert reader.read(first)[0].rows == [values]
    both = reader.read(first, Statement("SELECT 1"))
    assert [found.rows for found in both] == [[values], [(1,)]]


def test_every_row_of_every_page_comes_in_order(reader: Reader) -> None:
    numbers = " UNION ALL ".join(f"SELECT {n} AS n" for n in range(10))
    (found, none) = reader.read(
        Statement(f"SELECT n FROM ({numbers}) AS ten ORDER BY n"),
        Statement("SELECT 1 AS one, 2 AS two WHERE 1 = 0"),
    )
    assert [n for (n,) in found.rows] == list(range(10))
    assert (list(none.columns), list(none.rows)) == (["one", "two"], [])


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM theirs",
        "SELECT 1; DELETE FROM theirs",
        "COMMIT; DELETE FROM theirs",
        "SELECT 1 AS n INTO mine",
        "WITH gone AS (DELETE FROM theirs RETURNING *) SELECT * FROM gone",
    ],
)
def test_an_analyst_changes_nothing(way: Way, clock: ManualClock, sql: Sql, text: str) -> None:
    before = sql("SELECT COUNT(*) FROM information_schema.tables")
    with pytest.raises(WarehouseRefused):
        open_analyst(way[0], clock, way[1]).read(Statement(text))
    assert sql("SELECT COUNT(*) FROM information_schema.tables") == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM nothing_like_it", SchemaMismatch),
        ("SELECT nothing_like_it FROM pg_class", SchemaMismatch),
        ("SELECT 1 / 0", WarehouseRefused),
        ("SELECT FROM WHERE", WarehouseRefused),
    ],
)
def test_what_is_wrong_has_a_fate(operator: Operator, text: str, expected: type[HaltError]) -> None:
    with pytest.raises(expected):
        operator.read(Statement(text))
    assert operator.read(Statement("SELECT 1"))[0].rows == [(1,)]


def test_all_that_is_read_at_once_is_of_one_state(operator: Operator, way: Way) -> None:
    operator.apply([Statement("CREATE TABLE growing (n INTEGER)")])
    count = Statement("SELECT COUNT(*) FROM growing")
    found: list[Rows] = []

    def read() -> None:
        found.extend(operator.read(count, Statement("SELECT wait_for_writer()"), count))

    with psycopg.connect(way.database, autocommit=True) as writer:
        writer.execute(
            "CREATE FUNCTION wait_for_writer() RETURNS BOOLEAN RETURN pg_advisory_xact_lock_shared(7) IS NULL"
        )
        writer.execute("SELECT pg_advisory_lock(7)")
        reading = threading.Thread(target=read)
        reading.start()
        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        deadline = time.monotonic() + 30
        while not writer.execute(waiting).fetchone():
            assert time.monotonic() < deadline
        writer.execute("INSERT INTO growing VALUES (1)")
        writer.execute("SELECT pg_advisory_unlock(7)")
        reading.join(timeout=30)
    assert [found[at].rows for at in (0, 2)] == [[(0,)], [(0,)]]
    assert operator.read(count)[0].rows == [(1,)]


def test_a_step_is_whole_or_not_at_all(operator: Operator, sql: Sql) -> None:
    good = [
        Statement("CREATE TABLE stage_one (n INTEGER)"),
        Statement("INSERT INTO stage_one VALUES (%s)", [1]),
    ]
    with pytest.raises(WarehouseRefused):
        operator.apply([*good, Statement("SELECT 1 / 0")])
    assert sql("SELECT to_regclass('stage_one')") == [(None,)]
    operator.apply(good, [Statement("INSERT INTO stage_one VALUES (2)")])
    assert sql("SELECT n FROM stage_one ORDER BY n") == [(1,), (2,)]


def test_many_steps_are_all_applied_in_order(operator: Operator, sql: Sql) -> None:
    operator.apply([Statement("CREATE TABLE stage_many (n INTEGER)")])
    operator.apply(*([Statement("INSERT INTO stage_many VALUES (%s)", [n])] * 3 for n in range(30)))
    assert sql("SELECT COUNT(*), COUNT(DISTINCT n) FROM stage_many") == [(90, 30)]


def test_a_statement_that_no_transaction_takes_runs_alone(operator: Operator, sql: Sql) -> None:
    operator.apply([Statement("CREATE TABLE wide (t VARCHAR(3))")])
    operator.apply_alone(Statement(f"ALTER TABLE {quote('wide')} ALTER COLUMN t TYPE VARCHAR(9)"))
    sql("INSERT INTO wide VALUES ('123456789')")


@pytest.mark.parametrize(
    "url",
    [
        "redshift-data://",
        "redshift-data://workgroup",
        "redshift-data://workgroup/a/b",
        "redshift-data://workgroup:5439/a",
        "redshift-data://user@workgroup/a",
        "redshift-data://workgroup/a?user=b",
        "mysql://x",
    ],
)
def test_a_wrong_address_is_told(url: str, clock: ManualClock) -> None:
    with pytest.raises(SettingsError, match="HEADRACE_WAREHOUSE_URL"):
        open_operator(url, clock, {"AWS_REGION": "eu-central-1"})


def test_a_warehouse_that_does_not_answer_may_do_so_later(clock: ManualClock) -> None:
    nowhere = {
        "AWS_ENDPOINT_URL_REDSHIFT_DATA": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "eu-central-1",
    }
    for url in ("postgresql://127.0.0.1:9/none", "redshift-data://workgroup/database"):
        for opened in (open_operator(url, clock, nowhere), open_analyst(url, clock, nowhere)):
            with pytest.raises(WarehouseUnavailable):
                opened.read(Statement("SELECT 1"))
