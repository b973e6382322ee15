from datetime import timedelta
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from headrace.schemas.outputs import (
    Count,
    CountIf,
    Derived,
    Distinct,
    Key,
    Quantile,
    Sum,
    WindowedOutput,
)
from headrace.schemas.record_type import RecordType
from headrace.schemas.registry import OUTPUTS
from headrace.schemas.reserved_words import RESERVED_WORDS


class Reading(Struct, forbid_unknown_fields=True):
    sensor: Annotated[str, Meta(max_length=40)]
    degrees: float
    ticks: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    drift: Annotated[int, Meta(ge=-5, le=5)]
    total: Annotated[int, Meta(ge=0, le=2**63 - 1)]


READING = RecordType("reading.v1", Reading, "A sensor's reading.")


def output(**changes: Any) -> WindowedOutput:
    values: dict[str, Any] = {
        "name": "readings_1h",
        "record_type": READING,
        "every": timedelta(hours=1),
        "keys": (Key("sensor", of="sensor"),),
        "measures": (Count("readings"), Sum("ticks", "ticks")),
        "description": "Readings per hour.",
    }
    return WindowedOutput(**{**values, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"measures": (Sum("heat", "degrees"),)},
        {"measures": (Sum("names", "sensor"),)},
        {"measures": (Quantile("heat", "degrees", 0.5),)},
        {"measures": (Quantile("drift_p50", "drift", 0.5),)},
        {"measures": (Quantile("total_p50", "total", 0.5),)},
        {"measures": (Distinct("different", "ticks"),)},
        {"keys": (Key("ticks", of="ticks"),)},
        {"keys": (Key("sensor", of="sensor", max_bytes=3),)},
        {"keys": (Key("kind", of=Derived("sensor", str.upper)),)},
    ],
)
def test_a_key_or_measure_that_does_not_suit_its_field_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        output(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"measures": (Sum("ticks", "tocks"),)},
        {"measures": (CountIf("hot", Derived("heat", bool)),)},
        {"measures": (Quantile("ticks_p100", "ticks", 1.0),)},
        {"keys": (Key("place", of="place"),)},
        {"keys": (Key("place", of=Derived("place", str), max_bytes=3),)},
        {"name": "select"},
        {"name": "Readings"},
        {"name": "readings__parts"},
        {"name": "r" * 51},
        {"measures": (Count("user"),)},
        {"measures": (Count("window_start"),)},
        {"measures": (Count("records"),)},
        {"measures": (Count("sensor"),)},
        {"measures": (Count("a b"),)},
        {"every": timedelta(minutes=7)},
        {"every": timedelta(0)},
        {"every": timedelta(microseconds=500)},
        {"every": timedelta(days=2)},
        {"allowed_lateness": timedelta(seconds=-1)},
        {"record_type": RecordType("reading.v1", Reading, "Outside the ledger.", numbered=False)},
    ],
)
def test_a_bad_name_field_or_length_of_window_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        output(**changes)


def test_a_table_has_its_window_keys_measures_and_books_in_that_order() -> None:
    table = OUTPUTS["web_traffic_1m"].table()

    assert [column.name for column in table.columns] == [
        "window_start",
        "window_end",
        "method",
        "status_class",
        "requests",
        "bytes",
        "bytes_p50",
        "bytes_p95",
        "records",
        "late_records",
        "updated_at",
    ]
    assert [column.name for column in table.columns if column.nullable] == ["bytes_p50", "bytes_p95"]
    assert table.sort_key == ("window_start",)


def test_only_an_output_with_sketches_has_a_parts_table() -> None:
    parts = OUTPUTS["web_traffic_1m"].parts_table()

    assert parts is not None
    assert parts.name == "web_traffic_1m__parts"
    assert [column.name for column in parts.columns] == [
        "window_start",
        "method",
        "status_class",
        "measure",
        "part",
        "n",
    ]
    assert OUTPUTS["web_paths_5m"].parts_table() is None


def test_rows_are_spread_by_the_widest_key() -> None:
    assert OUTPUTS["web_paths_5m"].table().dist_key == "path"
    assert OUTPUTS["web_visitors_15m"].table().dist_key == "window_start"


def test_no_column_of_a_declared_output_is_a_reserved_word_beyond_the_shared_ones() -> None:
    for declared in OUTPUTS.values():
        assert not {column.name for column in declared.table().columns} & RESERVED_WORDS
