"""What goes into MySQL comes back byte for byte, or does not go in."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from batch_jobs.load_mysql import canonical
from batch_jobs.load_mysql.address import Address
from batch_jobs.load_mysql.session import Session
from batch_jobs.load_mysql.staging import Stage
from headrace.errors import DatabaseRefused, LoadMismatch
from headrace.schemas import tables
from headrace.schemas.loan_tables import LOAN_KEYS, LOAN_TABLES
from headrace.schemas.tables import Column, ColumnType, Table
from headrace.schemas.targets.mysql import MAX_SCALE, create_table
from headrace.warehouse.staging import arrow_schema
from tests.schemas.tables_strategy import any_table

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mysql")]

_numbers = itertools.count()
VINTAGE = Column("vintage", tables.text(6))
TYPES = {
    "short_text": tables.text(40),
    "long_text": tables.text(20_000),
    "raw": tables.binary(50),
    "money": tables.decimal(12, 2),
    "fine": tables.decimal(38, 20),
    "day": tables.DATE,
    "instant": tables.TIMESTAMP,
    "yes": tables.BOOLEAN,
    "small": tables.SMALLINT,
    "middle": tables.INT,
    "large": tables.BIGINT,
}
TABLE = Table(
    "every_type",
    (
        Column("n", tables.INT),
        *(Column(name, type_, nullable=True) for name, type_ in TYPES.items()),
        VINTAGE,
    ),
)


def whole(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    digits = st.integers(-(10**precision) + 1, 10**precision - 1)
    return digits.map(lambda number: Decimal(f"{number}e-{scale}"))


nasty = st.text(st.sampled_from("\\\t\n\r\0\x1a'\"`N,;| \u00a0é漢🏠\u0301\ufeff"), max_size=10)
texts = st.one_of(st.text(max_size=10), nasty)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "short_text": texts.filter(lambda text: len(text.encode()) <= 40),
    "long_text": st.one_of(texts, st.just("🏠" * 5_000), st.just("\\" * 20_000)),
    "raw": st.binary(max_size=50),
    "money": decimals(12, 2),
    "fine": decimals(38, 20),
    "day": st.dates(min_value=date(1000, 1, 1)),
    "instant": st.datetimes(min_value=datetime(1000, 1, 1)),  # noqa: DTZ001  MySQL gives back naive ones
    "yes": st.booleans(),
    "small": whole(16),
    "middle": whole(32),
    "large": whole(64),
}
records = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})


@pytest.fixture
def session(place: Address) -> Iterator[Session]:
    session = Session(place)
    yield session
    session.close()


def as_arrow(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    schema = arrow_schema(table)
    naive = pa.schema(
        pa.field(field.name, pa.timestamp("us") if pa.types.is_timestamp(field.type) else field.type)
        for field in schema
    )
    return pa.Table.from_pylist(rows, schema=naive).cast(schema)


def bring(session: Session, table: Table, rows: pa.Table) -> str:
    """Take rows all the way into a new table; its name."""
    target = replace(
        table, name=f"t_{next(_numbers)}", columns=(*table.columns, Column("load_id", tables.INT))
    )
    stage = Stage(table, ("n",), "2005Q1")
    with session.cursor() as cursor:
        cursor.execute(create_table(target, key=("n",)))
        stage.fill(cursor, stage.lines(rows), rows.num_rows)
        stage.check(cursor)
        stage.insert(cursor, target.name, 1, rows.num_rows)
    return target.name


@given(found=st.lists(records, min_size=1, max_size=8))
@example(found=[dict.fromkeys(TYPES) | {"short_text": text} for text in ("NULL", "\\N", "N", "", " ")])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_byte_comes_back_as_it_went_in(session: Session, found: list[dict[str, Any]]) -> None:
    rows = [
        {"n": number, **{name: record[name] for name in TYPES}, "vintage": "2005Q1"}
        for number, record in enumerate(found)
    ]
    name = bring(session, TABLE, as_arrow(TABLE, rows))
    with session.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {name} ORDER BY n")
        came_back = cursor.fetchall()
        cursor.execute(f"DROP TABLE {name}")
    assert came_back == tuple((*row.values(), 1) for row in rows)
    assert [type(value) for value in came_back[0][4:6]] == [
        type(value) for value in (rows[0]["money"], rows[0]["fine"])
    ]


def fill_and_check(session: Session, stage: Stage, line: bytes) -> None:
    with session.cursor() as cursor:
        stage.fill(cursor, memoryview(line), 1)
        stage.check(cursor)


def test_a_text_keeps_its_trailing_blanks(session: Session) -> None:
    table = Table("t", (Column("n", tables.INT), Column("x", tables.text(3)), VINTAGE))
    rows = [{"n": n, "x": text, "vintage": "2005Q1"} for n, text in enumerate(("ab ", "ab", "  ", " ", ""))]
    name = bring(session, table, as_arrow(table, rows))
    with session.cursor() as cursor:
        cursor.execute(f"SELECT HEX(x) FROM {name} ORDER BY n")
        assert [value for (value,) in cursor.fetchall()] == ["616220", "6162", "2020", "20", ""]


@pytest.mark.parametrize(
    ("type_", "texts"),
    [
        (tables.INT, ["1.5", "1e2", "9x", "x", "", " 1", "1 ", "+1", "01", "-0", "0x1"]),
        (tables.SMALLINT, ["1.5", "Y", "1_0"]),
        (tables.BIGINT, ["9223372036854775808", "1.0"]),
        (tables.BOOLEAN, ["2", "-1", "true", "", "1.2"]),
        (
            tables.decimal(12, 2),
            ["1e2", "1.235", "1.2", "1", "12345678901.00", "x", "", "NaN", ".50", "1,00"],
        ),
        (tables.DATE, ["05-1-1", "2005-02-30", "2005-1-1", "20050101", "2005-01-01 10:00:00", "", "x"]),
        (tables.TIMESTAMP, ["2005-01-01", "2005-01-01 00:00:00", "2005-01-01T00:00:00.000000"]),
        (tables.text(3), ["abc   ", "abc ", "abcd", "abcdef", "ééé "]),
        (tables.binary(2), ["0", "0x00", "ff", "GG", "000000"]),
    ],
    ids=lambda value: value.name if isinstance(value, ColumnType) else "",
)
def test_a_text_that_mysql_would_change_is_refused_with_column_and_key(
    session: Session, type_: ColumnType, texts: list[str]
) -> None:
    """The traps that pass strict mode without a word among them; our own writer makes no such text."""
    table = Table("book", (Column("n", tables.INT), Column("x", type_), VINTAGE))
    stage = Stage(table, ("n",), "2005Q1")
    for text in texts:
        with pytest.raises(LoadMismatch, match="book 2005Q1: ") as error:
            fill_and_check(session, stage, f"17\t{text}\t2005Q1\n".encode())
        said = str(error.value)
        assert "for column 'x'" in said or ("the first: 'x = " in said and "key '17'" in said), text


@pytest.mark.parametrize(
    ("type_", "text", "number"),
    [(tables.SMALLINT, "32768", 1264), (tables.INT, "-2147483649", 1264)],
)
def test_a_number_that_is_out_of_its_column_s_range_is_an_error(
    session: Session, monkeypatch: pytest.MonkeyPatch, type_: ColumnType, text: str, number: int
) -> None:
    table = Table("book", (Column("n", tables.INT), Column("x", type_), VINTAGE))
    monkeypatch.setattr(canonical, "lines", lambda *_: memoryview(f"17\t{text}\t2005Q1\n".encode()))
    with pytest.raises(DatabaseRefused, match=str(number)):
        bring(session, table, pa.table({"n": [17]}))


def test_an_unknown_value_where_there_must_be_one_is_an_error(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Table("book", (Column("n", tables.INT), Column("x", tables.DATE), VINTAGE))
    monkeypatch.setattr(canonical, "lines", lambda *_: memoryview(b"17\t\\N\t2005Q1\n"))
    with pytest.raises(DatabaseRefused, match="1048"):
        bring(session, table, pa.table({"n": [17]}))


@pytest.mark.parametrize(
    "lines",
    [
        b"1\tx\t2005Q1\n2\tx\n",
        b"1\tx\t2005Q1\n2\tx\t2005Q1\t9\n",
        b"1\tx\t2005Q1\n",
        b"1\tx\t2005Q1\n2\t\xff\t2005Q1\n",
    ],
    ids=["field missing", "field too many", "row missing", "no UTF-8"],
)
def test_lines_that_do_not_fit_the_table_are_refused(
    session: Session, monkeypatch: pytest.MonkeyPatch, lines: bytes
) -> None:
    table = Table("book", (Column("n", tables.INT), Column("x", tables.text(9)), VINTAGE))
    monkeypatch.setattr(canonical, "lines", lambda *_: memoryview(lines))
    with pytest.raises(LoadMismatch, match="LOAD DATA"):
        bring(session, table, pa.table({"n": [1, 2]}))


def test_a_double_has_no_canonical_text() -> None:
    with pytest.raises(ValueError, match="decimal"):
        Stage(Table("t", (Column("x", tables.DOUBLE), VINTAGE)), ("x",), "2005Q1")


@given(table=any_table())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_server_makes_any_table_with_its_columns_as_declared(session: Session, table: Table) -> None:
    if any((column.type.scale or 0) > MAX_SCALE for column in table.columns):
        return
    check_made(session, table, ())


@pytest.mark.parametrize("name", LOAN_TABLES)
def test_the_server_makes_the_loan_tables(session: Session, name: str) -> None:
    check_made(session, LOAN_TABLES[name], (*LOAN_KEYS[name], "vintage"))


def check_made(session: Session, table: Table, key: tuple[str, ...]) -> None:
    with session.cursor() as cursor:
        cursor.execute(create_table(table, key=key))
        assert cursor.warning_count == 0
        cursor.execute(
            "SELECT column_name, is_nullable, data_type, collation_name FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position",
            [table.name],
        )
        found = cursor.fetchall()
        cursor.execute(f"DROP TABLE `{table.name}`")
    assert [(name, null == "YES") for name, null, *_ in found] == [
        (column.name, column.nullable) for column in table.columns
    ]
    kinds = {
        "text": {"varchar", "text"},
        "bytes": {"varbinary", "longblob"},
        "boolean": {"tinyint"},
        "timestamp": {"datetime"},
    }
    for column, (_, _, data_type, collation) in zip(table.columns, found, strict=True):
        assert data_type in kinds.get(column.type.name, {column.type.name})
        assert collation == ("utf8mb4_bin" if column.type.name == "text" else None)
