from datetime import UTC, datetime

import pytest

from headrace.schemas.archive import DELIVERIES
from infra.local.delivery.prefix import Prefix

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("plain/", "plain/"),
        ("!{timestamp:yyyy/MM/dd/HH}/", "2026/03/04/05/"),
        ("d=!{timestamp:yyyy-MM-dd}/t=!{timestamp:HHmmss}/", "d=2026-03-04/t=050607/"),
        ("!{timestamp:yyyy'-year-'MM}/", "2026-year-03/"),
        ("!{firehose:error-output-type}/", "processing-failed/"),
        ("a=!{partitionKeyFromLambda:a}/b=!{partitionKeyFromQuery:b}/", "a=1/b=2/"),
    ],
)
def test_expressions_are_put_in(expression: str, expected: str) -> None:
    keys = {"a": "1", "b": "2"}
    assert Prefix(expression).evaluate(AT, keys=keys, error_type="processing-failed") == expected


@pytest.mark.parametrize(
    "expression",
    [
        "!{timestamp:yyyy/QQ}",
        "!{firehose:random-string}",
        "!{partitionKeyFromLambda:}",
        "!{what:x}",
        "!{timestamp",
    ],
)
def test_what_is_not_known_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"not known|only yyyy|not closed"):
        Prefix(expression)


def test_the_declared_prefixes_are_understood_and_name_their_keys() -> None:
    assert Prefix(DELIVERIES["events"].prefix).keys == ("type", "date", "hour")
    assert Prefix(DELIVERIES["errors"].prefix).keys == ("code",)
    for declared in DELIVERIES.values():
        assert Prefix(declared.error_prefix).keys == ()
