import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct, defstruct

import headrace.schemas
from headrace.schemas.record_type import RecordType
from headrace.schemas.registry import RECORD_TYPES

RELEASED = Path(headrace.schemas.__file__).parent / "released.json"


def schema_hash(record_type: RecordType) -> str:
    """SHA-256 of what the record type means: its JSON Schema without words for people."""
    schema = {
        "data": without_words(msgspec.json.schema(record_type.data)),
        "partition_key": record_type.partition_key,
        "numbered": record_type.numbered,
    }
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()


def without_words(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: without_words(value)
            for key, value in schema.items()
            if key not in {"title", "description"} or not isinstance(value, str)
        }
    return [without_words(item) for item in schema] if isinstance(schema, list) else schema


def test_a_released_version_never_changes() -> None:
    """A change makes a new version; only a version that nobody has produced yet may change its hash."""
    assert json.loads(RELEASED.read_text()) == {
        name: schema_hash(kind) for name, kind in RECORD_TYPES.items()
    }


def test_versions_have_no_gap() -> None:
    versions: dict[str, set[int]] = {}
    for name in RECORD_TYPES:
        stem, _, version = name.partition(".v")
        versions.setdefault(stem, set()).add(int(version))
    assert all(found == set(range(1, len(found) + 1)) for found in versions.values())


def test_every_type_and_field_says_what_it_means() -> None:
    for record_type in RECORD_TYPES.values():
        assert record_type.description
        for field in record_type.fields:
            assert field.description, (record_type.name, field.name)


def struct(field_type: Any, **options: Any) -> type[Struct]:
    return defstruct("Data", [("field", field_type)], **{"forbid_unknown_fields": True, **options})


@pytest.mark.parametrize(
    "field_type",
    [
        str,
        int,
        Annotated[int, Meta(ge=0)],
        Annotated[int, Meta(le=9)],
        float | None,
        bytes,
        Annotated[str, Meta(max_length=1)] | bool,
        datetime,
        Annotated[list[int], Meta(max_length=1)],
        dict[str, int],
        Any,
    ],
)
def test_a_field_that_is_not_bounded_or_has_no_column_is_refused(field_type: Any) -> None:
    with pytest.raises(TypeError, match=r"Data\.field"):
        RecordType("thing.v1", struct(field_type), "a thing")


def test_an_integer_fits_64_bits() -> None:
    with pytest.raises(ValueError, match="int64"):
        RecordType("thing.v1", struct(Annotated[int, Meta(ge=0, le=2**63)]), "a thing")


def test_a_type_that_takes_unknown_fields_is_refused() -> None:
    with pytest.raises(TypeError, match="unknown fields"):
        RecordType("thing.v1", struct(bool, forbid_unknown_fields=False), "a thing")


@pytest.mark.parametrize("name", ["thing", "thing.1", "Thing.v1", "thing.v0", "thing.v01", "thing.v1 "])
def test_a_name_carries_its_major_version(name: str) -> None:
    with pytest.raises(ValueError, match=r"web_access\.v1"):
        RecordType(name, struct(bool), "a thing")


def test_a_partition_key_is_a_field() -> None:
    with pytest.raises(ValueError, match="no field 'other'"):
        RecordType("thing.v1", struct(bool), "a thing", partition_key="other")


def test_the_fields_of_web_access_are_those_of_the_design() -> None:
    fields = {field.name: field for field in RECORD_TYPES["web_access.v1"].fields}

    assert list(fields) == [
        "client_address",
        "user",
        "method",
        "path",
        "query",
        "protocol",
        "status",
        "bytes",
        "referer",
        "user_agent",
    ]
    assert (fields["bytes"].minimum, fields["bytes"].maximum) == (0, 2**53 - 1)
    assert (fields["status"].minimum, fields["status"].maximum) == (0, 999)
    assert all(field.nullable for field in fields.values())
    assert {name for name, field in fields.items() if field.required} == {
        "client_address",
        "method",
        "path",
        "status",
    }
