from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import WarehouseRefused
from headrace.schemas import tables
from headrace.schemas.tables import Column, Table
from headrace.warehouse.staging import arrow_schema, check_unique, conform, harmless

TABLE = Table(
    "things",
    (
        Column("name", tables.text(8)),
        Column("total", tables.decimal(38, 0)),
        Column("median", tables.DOUBLE, nullable=True),
        Column("updated_at", tables.TIMESTAMP),
    ),
)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_columns_are_ordered_cast_and_filled() -> None:
    rows = pa.table({"total": pa.array([7]), "name": pa.array(["a"])})
    found = conform(TABLE, rows, {"median": None, "updated_at": NOW})
    assert found.schema == arrow_schema(TABLE)
    assert found.to_pylist() == [{"name": "a", "total": Decimal(7), "median": None, "updated_at": NOW}]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"name": ["a"]}, r"missing \['median', 'total', 'updated_at'\]"),
        ({"name": ["a"], "total": [1], "median": [1.0], "updated_at": [NOW], "x": [1]}, r"unknown \['x'\]"),
        ({"name": ["a"], "total": ["many"], "median": [1.0], "updated_at": [NOW]}, "things"),
    ],
)
def test_rows_that_do_not_fit_are_refused(rows: dict[str, list[object]], says: str) -> None:
    with pytest.raises(WarehouseRefused, match=says):
        conform(TABLE, pa.table(rows))


def test_repeated_keys_are_refused() -> None:
    rows = pa.table({"name": ["a", "a", "b"], "total": [1, 2, 1]})
    check_unique(TABLE, rows, ["name", "total"])
    with pytest.raises(WarehouseRefused, match="name"):
        check_unique(TABLE, rows, ["name"])


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=5))
def test_any_text_becomes_harmless_and_a_good_one_stays(texts: list[str]) -> None:
    table = Table("t", (Column("name", tables.text(8), nullable=True),))
    rows = pa.table([pa.array([*texts, None], pa.string())], schema=arrow_schema(table))
    found = harmless(table, rows)["name"].to_pylist()
    assert found[-1] is None
    for before, after in zip(texts, found, strict=False):
        assert "\0" not in after
        assert len(after.encode()) <= 8
        if "\0" not in before and len(before.encode()) <= 8:
            assert after == before
