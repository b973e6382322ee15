import functools
import json
import re
from datetime import date
from typing import Annotated, Any

import botocore.session
import msgspec
import pytest
import sqlglot
from botocore.validate import validate_parameters
from hypothesis import given, settings
from sqlglot import exp

from headrace.schemas.codec import decode
from headrace.schemas.event import Event
from headrace.schemas.loan_tables import LOAN_TABLES
from headrace.schemas.record_type import RecordType
from headrace.schemas.registry import RECORD_TYPES
from headrace.schemas.reject_codes import RejectCode
from headrace.schemas.tables import INT, Column, Table
from headrace.schemas.targets.glue import archive_tables, parquet_table, record_table, reject_table
from headrace.schemas.targets.hive import create_table
from lambdas.transform.lines import line
from tests.schemas.examples import Example, good_examples
from tests.schemas.tables_strategy import any_table

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


@functools.cache
def create_table_shape() -> Any:
    """What Glue's CreateTable takes, as botocore has it from AWS."""
    return botocore.session.get_session().get_service_model("glue").operation_model("CreateTable").input_shape


def glue_accepts(table: dict[str, Any]) -> None:
    """Fails where Glue would not take the table: its members, and the lengths of what it names."""
    shape = create_table_shape()
    validate_parameters({"DatabaseName": "headrace", "TableInput": table}, shape)
    members = shape.members["TableInput"].members
    assert members["Name"].metadata["min"] <= len(table["Name"]) <= members["Name"].metadata["max"]
    column = members["StorageDescriptor"].members["Columns"].member.members
    for found in table["StorageDescriptor"]["Columns"]:
        assert len(found["Type"]) <= column["Type"].metadata["max"]
        assert len(found["Comment"]) <= column["Comment"].metadata["max"]


@pytest.mark.parametrize("table", archive_tables("b"), ids=lambda table: table["Name"])
def test_glue_takes_the_tables_of_the_archive(table: dict[str, Any]) -> None:
    glue_accepts(table)


@settings(max_examples=30)
@given(any_table())
def test_glue_takes_a_parquet_table_of_any_shape(table: Table) -> None:
    found = parquet_table(table, "s3://bucket/loans")
    glue_accepts(found)
    assert list(columns_of(found)) == [column.name for column in table.columns]


@pytest.mark.parametrize("table", LOAN_TABLES.values(), ids=lambda table: table.name)
def test_the_loan_tables_are_those_of_hive(table: Table) -> None:
    found = parquet_table(table, "s3://bucket/loans/")
    glue_accepts(found)
    ddl = sqlglot.parse_one(create_table(table, database="headrace", location="x"), dialect="hive")
    declared = {column.name: column.args["kind"] for column in ddl.find_all(exp.ColumnDef)}
    partitions = {key["Name"]: exp.DataType.build(key["Type"], "hive") for key in found["PartitionKeys"]}
    assert columns_of(found) | partitions == declared
    assert found["StorageDescriptor"]["Location"] == f"s3://bucket/loans/tables/{table.name}/"
    assert "projection.enabled" not in found["Parameters"]


def test_a_column_with_a_partitions_name_is_refused() -> None:
    with pytest.raises(ValueError, match="vintage_year"):
        parquet_table(Table("book", (Column("vintage_year", INT),)), "s3://bucket")


class Dated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    date: Annotated[str, msgspec.Meta(max_length=10)]


def test_a_field_with_a_partitions_name_is_refused() -> None:
    with pytest.raises(ValueError, match="date"):
        record_table(RecordType(name="dated.v1", data=Dated, description="A record with a date."), "b")
