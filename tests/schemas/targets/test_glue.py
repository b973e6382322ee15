import json
import re
from datetime import date
from typing import Annotated, Any

import msgspec
import pytest
from sqlglot import exp

from headrace.schemas.codec import decode
from headrace.schemas.event import Event
from headrace.schemas.record_type import RecordType
from headrace.schemas.registry import RECORD_TYPES
from headrace.schemas.reject_codes import RejectCode
from headrace.schemas.targets.glue import archive_tables, record_table, reject_table
from lambdas.transform.lines import line
from tests.schemas.examples import Example, good_examples

PYTHON = {
    exp.DataType.Type.TEXT: str,
    exp.DataType.Type.BIGINT: int,
    exp.DataType.Type.DOUBLE: float,
    exp.DataType.Type.BOOLEAN: bool,
}


def fits(value: Any, type_: exp.DataType) -> bool:
    """Whether a JSON value is of the Hive type, as sqlglot reads it; a struct may lack what is null."""
    if value is None:
        return True
    if type_.is_type(exp.DataType.Type.ARRAY):
        return isinstance(value, list) and all(fits(item, type_.expressions[0]) for item in value)
    if type_.is_type(exp.DataType.Type.STRUCT):
        fields = {field.name: field.args["kind"] for field in type_.expressions}
        return value.keys() <= fields.keys() and all(fits(item, fields[key]) for key, item in value.items())
    if type_.is_type(exp.DataType.Type.DECIMAL):
        return type(value) in (int, float)
    if type_.is_type(exp.DataType.Type.DATE):
        return bool(date.fromisoformat(value).isoformat() == value)
    return type(value) is PYTHON[type_.this]


def columns_of(table: dict[str, Any]) -> dict[str, exp.DataType]:
    columns = table["StorageDescriptor"]["Columns"]
    return {column["Name"]: exp.DataType.build(column["Type"], dialect="hive") for column in columns}


@pytest.mark.parametrize("example", [e for e in good_examples() if e.record_type != "reject.v1"], ids=str)
def test_a_line_of_the_archive_fits_its_types_table(example: Example) -> None:
    event = decode(example.raw)
    assert isinstance(event, Event)
    written = json.loads(line(event, 1_795_262_399_123))
    columns = columns_of(record_table(RECORD_TYPES[example.record_type], "b"))
    assert written.keys() <= columns.keys()
    assert {key: value for key, value in written.items() if not fits(value, columns[key])} == {}


@pytest.mark.parametrize("example", [e for e in good_examples() if e.record_type == "reject.v1"], ids=str)
def test_a_reject_as_it_travels_fits_the_rejects_table(example: Example) -> None:
    written = json.loads(example.raw)
    columns = columns_of(reject_table("b"))
    assert written.keys() <= columns.keys()
    assert {key: value for key, value in written.items() if not fits(value, columns[key])} == {}


def test_there_is_a_table_for_every_type_that_is_archived_and_one_for_rejects() -> None:
    names = [table["Name"] for table in archive_tables("b")]
    expected = {name.replace(".", "_") for name in RECORD_TYPES} - {"reject_v1"} | {"rejects"}
    assert len(names) == len(set(names))
    assert set(names) == expected


def test_the_table_is_what_a_person_would_write() -> None:
    table = record_table(RECORD_TYPES["producer_status.v1"], "archive")
    storage = table["StorageDescriptor"]
    assert table["Name"] == "producer_status_v1"
    assert [(column["Name"], column["Type"]) for column in storage["Columns"]] == [
        ("spooled", "bigint"),
        ("acknowledged", "bigint"),
        ("closed", "boolean"),
        ("_source", "string"),
        ("_sequence", "bigint"),
        ("_event_time", "string"),
        ("_ingested_at", "string"),
    ]
    assert storage["Location"] == "s3://archive/events/type=producer_status.v1/"
    assert storage["SerdeInfo"]["SerializationLibrary"] == "org.openx.data.jsonserde.JsonSerDe"
    assert [key["Name"] for key in table["PartitionKeys"]] == ["date", "hour"]
    place = "s3://archive/events/type=producer_status.v1/date=${date}/hour=${hour}/"
    assert {key: value for key, value in table["Parameters"].items() if "." in key} == {
        "projection.enabled": "true",
        "storage.location.template": place,
        "projection.date.type": "date",
        "projection.date.format": "yyyy-MM-dd",
        "projection.date.range": "2025-01-01,NOW",
        "projection.hour.type": "integer",
        "projection.hour.range": "0,23",
        "projection.hour.digits": "2",
    }


def test_rejects_are_found_by_every_code_and_by_day() -> None:
    table = reject_table("archive")
    given = table["Parameters"]
    assert given["storage.location.template"] == "s3://archive/errors/code=${code}/date=${date}/"
    assert table["StorageDescriptor"]["Location"] == "s3://archive/errors/"
    assert given["projection.code.values"].split(",") == [code.value for code in RejectCode]
    assert "data" in columns_of(table)


def test_every_partition_is_projected() -> None:
    for table in archive_tables("b"):
        keys = {key["Name"] for key in table["PartitionKeys"]}
        assert keys == set(re.findall(r"\$\{(\w+)\}", table["Parameters"]["storage.location.template"]))
        assert all(f"projection.{key}.type" in table["Parameters"] for key in keys)


class Dated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    date: Annotated[str, msgspec.Meta(max_length=10)]


def test_a_field_with_a_partitions_name_is_refused() -> None:
    with pytest.raises(ValueError, match="date"):
        record_table(RecordType(name="dated.v1", data=Dated, description="A record with a date."), "b")
