import json
from typing import Any

import pytest

from headrace.schemas.archive import DELIVERIES
from infra.local.delivery.partition_query import PartitionQuery
from infra.local.delivery.records import Failure

CODE = "DynamicPartitioning.MetadataExtractionFailed"


def test_paths_give_the_keys() -> None:
    query = PartitionQuery("{code: .data.code, kind:.type}")
    assert query.keys(b'{"data": {"code": "not_json"}, "type": "x"}') == {"code": "not_json", "kind": "x"}


def test_the_declared_query_is_understood() -> None:
    query = PartitionQuery(DELIVERIES["errors"].partition_query or "")
    assert query.keys(b'{"data": {"code": "too_long"}}') == {"code": "too_long"}


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_a_key_that_is_null_empty_or_no_text_fails(value: Any) -> None:
    found = PartitionQuery("{code: .data.code}").keys(json.dumps({"data": {"code": value}}).encode())
    assert found == Failure(CODE, "partitionKeys values must not be null or empty")


@pytest.mark.parametrize("data", [b"", b"no json", b"\xff", b'{"a": ', b"[" * 100_000])
def test_what_is_no_json_fails(data: bytes) -> None:
    assert PartitionQuery("{code: .data.code}").keys(data) == Failure(CODE, "Non JSON record provided")


@pytest.mark.parametrize("data", [b"[]", b"3", b'{"data": 3}', b"{}"])
def test_a_path_that_leads_nowhere_fails(data: bytes) -> None:
    assert isinstance(PartitionQuery("{code: .data.code}").keys(data), Failure)


def test_numbers_and_booleans_are_keys_as_json_prints_them() -> None:
    query = PartitionQuery("{a: .a, b: .b}")
    assert query.keys(b'{"a": 12, "b": true}') == {"a": "12", "b": "true"}


@pytest.mark.parametrize("query", ["", ".code", "{code: .data | length}", "{code}", "{code: .a[0]}"])
def test_other_queries_are_refused(query: str) -> None:
    with pytest.raises(ValueError, match="plain paths"):
        PartitionQuery(query)
