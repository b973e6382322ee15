import json
from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from headrace.schemas.registry import RECORD_TYPES
from headrace.schemas.targets.json_schema import json_schema
from tests.schemas.examples import Example, bad_examples, good_examples


def exact(text: str | bytes) -> Any:
    """JSON, its numbers as they are written."""
    return json.loads(text, parse_float=Decimal)


VALIDATORS = {
    name: Draft202012Validator(
        exact(json.dumps(json_schema(record_type))), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    for name, record_type in RECORD_TYPES.items()
}

OF_DATA = {"missing_field", "unknown_field", "wrong_type", "bad_value", "out_of_range", "too_long"}
UNSEEN = {
    "bad_value-acknowledged-beyond-spooled": "a rule between two fields",
    "bad_value-four-digits-after-the-point": "5.8750 is a multiple of 0.001",
    "bad_value-length_delta-missing": "a rule between two fields",
    "bad_value-length_delta-of-other-lengths": "a rule between two fields",
    "bad_value-length_delta-without-lengths": "a rule between two fields",
    "bad_value-raw-not-base64": "contentEncoding tells, and does not bind",
    "too_long-first_name-bytes-not-characters": "maxLength counts characters",
    "too_long-message-in-bytes": "maxLength counts characters",
    "too_long-title-bytes-not-characters": "maxLength counts characters",
    "too_long-user-bytes-not-characters": "maxLength counts characters",
    "wrong_type-decimal-with-exponent": "1e5 is a number like any other",
}
"""Bad data that JSON Schema has no word against, and why."""


def data_of(example: Example) -> Any:
    return exact(example.raw)["data"]


@pytest.mark.parametrize("name", RECORD_TYPES)
def test_it_is_a_schema_of_its_dialect(name: str) -> None:
    schema = json_schema(RECORD_TYPES[name])
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == name
    assert list(schema["properties"]) == [field.name for field in RECORD_TYPES[name].fields]
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("example", good_examples(), ids=str)
def test_what_the_codec_takes_is_valid(example: Example) -> None:
    assert [error.message for error in VALIDATORS[example.record_type].iter_errors(data_of(example))] == []


def with_bad_data() -> list[Example]:
    unread = {"missing_field-no-data", "out_of_range-bytes-5000-digits"}  # by Python's json
    known = [example for example in bad_examples() if example.record_type in VALIDATORS]
    return [example for example in known if example.code in OF_DATA and example.name not in unread]


@pytest.mark.parametrize("example", with_bad_data(), ids=str)
def test_what_the_codec_rejects_is_not_where_json_schema_can_tell(example: Example) -> None:
    is_valid = VALIDATORS[example.record_type].is_valid(data_of(example))
    assert is_valid == (example.name in UNSEEN)
