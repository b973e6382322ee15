from typing import Any

import pytest

from infra.deployment.changes import (
    Change,
    Fate,
    all_made,
    is_passing,
    of_change_set,
    of_templates,
)

STREAM, TOPIC = "AWS::Kinesis::Stream", "AWS::SNS::Topic"


def told(action: str, kind: str = STREAM, **more: str) -> dict[str, str]:
    return {"Action": action, "LogicalResourceId": "One", "ResourceType": kind, **more}


@pytest.mark.parametrize(
    ("said", "fate", "kept", "of_data"),
    [
        (told("Add"), Fate.MADE, False, False),
        (told("Modify", Replacement="False"), Fate.CHANGED, False, False),
        (told("Modify", Replacement="Conditional"), Fate.MAY_BE_REPLACED, False, True),
        (told("Modify", Replacement="True", PolicyAction="ReplaceAndDelete"), Fate.REPLACED, False, True),
        (told("Modify", Replacement="True", PolicyAction="ReplaceAndRetain"), Fate.REPLACED, True, True),
        (told("Remove", PolicyAction="Delete"), Fate.DESTROYED, False, True),
        (told("Remove", PolicyAction="Retain"), Fate.LEFT, True, True),
        (told("Remove", PolicyAction="Snapshot"), Fate.LEFT, True, True),
        (told("Remove", TOPIC, PolicyAction="Delete"), Fate.DESTROYED, False, False),
    ],
)
def test_each_word_of_cloudformation_is_a_fate(
    said: dict[str, str], fate: Fate, kept: bool, of_data: bool
) -> None:
    (change,) = of_change_set("stack", [said])
    assert change == Change("stack", "One", said["ResourceType"], fate, kept)
    assert change.of_data is of_data


def test_of_a_stack_that_is_not_there_everything_is_made() -> None:
    template = {"Resources": {"One": {"Type": STREAM}, "Two": {"Type": TOPIC}}}
    assert all_made("stack", template) == [
        Change("stack", "One", STREAM, Fate.MADE),
        Change("stack", "Two", TOPIC, Fate.MADE),
    ]


def test_where_only_templates_can_be_compared_a_changed_store_may_be_replaced() -> None:
    def stream(shards: int, **more: str) -> dict[str, Any]:
        return {"Type": STREAM, "Properties": {"ShardCount": shards}, **more}

    before = {
        "Resources": {
            "Same": stream(1),
            "Changed": stream(1),
            "Renamed": stream(1, DeletionPolicy="Delete"),
            "Kept": stream(1, DeletionPolicy="Retain"),
            "Gone": stream(1),
        }
    }
    after = {
        "Resources": {
            "Same": stream(1),
            "Changed": stream(2),
            "Renamed": stream(1, DeletionPolicy="Retain"),
            "New": stream(1),
        }
    }
    assert {change.resource: change.fate for change in of_templates("stack", before, after)} == {
        "Changed": Fate.MAY_BE_REPLACED,
        "Renamed": Fate.CHANGED,
        "New": Fate.MADE,
        "Kept": Fate.LEFT,
        "Gone": Fate.DESTROYED,
    }


@pytest.mark.parametrize(
    ("rule", "passing"),
    [
        ({"Status": "Enabled", "ExpirationInDays": 7}, True),
        ({"Status": "Disabled", "ExpirationInDays": 7}, False),
        ({"Status": "Enabled", "ExpirationInDays": 7, "Prefix": "loads/"}, False),
        ({"Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}}, False),
    ],
)
def test_a_bucket_that_empties_itself_holds_nothing_to_keep(rule: dict[str, Any], passing: bool) -> None:
    assert is_passing({"Properties": {"LifecycleConfiguration": {"Rules": [rule]}}}) is passing
    assert not is_passing({"Properties": {}})
