"""The table of what Firehose does with each answer of a transform function."""

import base64
import json
from typing import Any

import pytest

from tests.infra.delivery.scripted import ARRIVAL_MS, KEYS, Scripted, all_ok, ok, record, records

FUNCTION_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:headrace-transform:$LATEST"


def crash(_: Any) -> Any:
    raise ZeroDivisionError("the function's own fault")


def test_a_function_that_crashes_is_called_four_times_and_then_every_record_fails(scripted: Scripted) -> None:
    scripted.handler = crash
    scripted.deliver(records(b"one", b"two"))
    assert len(scripted.events) == 4
    assert scripted.failed() == dict.fromkeys((b"one", b"two"), "Lambda.FunctionError")
    assert {failure["attemptsMade"] for failure in scripted.failures()} == {4}
    assert scripted.lines() == []


def test_each_attempt_is_an_invocation_of_its_own_with_the_same_records(scripted: Scripted) -> None:
    scripted.handler = crash
    scripted.deliver(records(b"one", b"two"))
    assert len({event["invocationId"] for event in scripted.events}) == 4
    assert [event["records"] for event in scripted.events] == [scripted.events[0]["records"]] * 4


def test_a_function_that_recovers_before_its_attempts_are_used_up_loses_nothing(scripted: Scripted) -> None:
    scripted.handler = lambda event: all_ok(event) if len(scripted.events) == 4 else crash(event)
    scripted.deliver(records(b"one", b"two"))
    assert scripted.lines() == [b"onetwo"]
    assert scripted.failures() == []


def answer_of(size: int, event: Any) -> bytes:
    answer = json.dumps(all_ok(event)).encode()
    return answer + b" " * (size - len(answer))


def test_an_answer_at_lambdas_limit_is_taken_and_one_beyond_it_is_a_function_error(
    scripted: Scripted,
) -> None:
    scripted.handler = lambda event: answer_of(6_291_556, event)
    scripted.deliver(records(b"one"))
    assert (scripted.lines(), scripted.failures()) == ([b"one"], [])
    scripted.handler = lambda event: answer_of(6_291_557, event)
    scripted.deliver(records(b"two"))
    assert scripted.failed() == {b"two": "Lambda.FunctionError"}
    assert len(scripted.events) == 1 + 4


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"null",
        b"no json",
        b"\xff",
        b"[]",
        {},
        {"records": None},
        {"records": {}},
        {"records": [None, 3, {}]},
    ],
)
def test_an_answer_of_another_shape_is_final_and_lacks_every_record(scripted: Scripted, answer: Any) -> None:
    scripted.handler = lambda _: answer
    scripted.deliver(records(b"one", b"two"))
    assert len(scripted.events) == 1
    assert scripted.failed() == dict.fromkeys((b"one", b"two"), "Lambda.MissingRecordId")
    assert {failure["attemptsMade"] for failure in scripted.failures()} == {1}


def test_records_whose_ids_are_left_out_fail_and_the_others_are_delivered(scripted: Scripted) -> None:
    scripted.handler = lambda event: {"records": all_ok(event)["records"][::2]}
    scripted.deliver(records(b"one", b"two", b"three"))
    assert scripted.lines() == [b"onethree"]
    assert scripted.failed() == {b"two": "Lambda.MissingRecordId"}


def test_a_record_whose_id_is_returned_twice_fails_and_neither_copy_is_delivered(scripted: Scripted) -> None:
    scripted.handler = lambda event: {"records": [*all_ok(event)["records"], ok(event["records"][0])]}
    scripted.deliver(records(b"one", b"two"))
    assert scripted.lines() == [b"two"]
    assert scripted.failed() == {b"one": "Lambda.DuplicatedRecordId"}


def test_an_id_that_was_not_asked_for_is_ignored(scripted: Scripted) -> None:
    stranger = {"recordId": "stranger", "result": "Ok", "data": "c3RyYW5nZXI="}
    scripted.handler = lambda event: {"records": [stranger, *all_ok(event)["records"], stranger]}
    scripted.deliver(records(b"one"))
    assert (scripted.lines(), scripted.failures()) == ([b"one"], [])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"result": "ProcessingFailed"}, "Lambda.ProcessingFailedStatus"),
        ({"result": "ProcessingFailed", "data": None}, "Lambda.ProcessingFailedStatus"),
        ({"data": None}, "Lambda.InvalidReturnFormat"),
        ({"data": 3}, "Lambda.InvalidReturnFormat"),
        ({"data": "no base64!"}, "Lambda.InvalidReturnFormat"),
        ({"data": "YQ"}, "Lambda.InvalidReturnFormat"),
        ({"data": "\u00e4"}, "Lambda.InvalidReturnFormat"),
        ({"result": "ok"}, "Lambda.InvalidReturnFormat"),
        ({"result": None}, "Lambda.InvalidReturnFormat"),
        ({"result": {}}, "Lambda.InvalidReturnFormat"),
        ({"metadata": None}, "DynamicPartitioning.MetadataExtractionFailed"),
        ({"metadata": {"partitionKeys": {}}}, "DynamicPartitioning.MetadataExtractionFailed"),
        (
            {"metadata": {"partitionKeys": KEYS | {"type": ""}}},
            "DynamicPartitioning.MetadataExtractionFailed",
        ),
        ({"metadata": {"partitionKeys": KEYS | {"type": 3}}}, "DynamicPartitioning.MetadataExtractionFailed"),
    ],
)
def test_a_bad_entry_fails_its_record_alone_and_at_once(
    scripted: Scripted, change: dict[str, Any], code: str
) -> None:
    scripted.handler = lambda event: {
        "records": [ok(event["records"][0]) | change, *map(ok, event["records"][1:])]
    }
    scripted.deliver(records(b"bad", b"good"))
    assert (scripted.lines(), scripted.failed()) == ([b"good"], {b"bad": code})
    assert (len(scripted.events), scripted.failures()[0]["attemptsMade"]) == (1, 1)


def test_a_dropped_record_leaves_no_trace_but_the_checkpoint_passes_it(scripted: Scripted) -> None:
    scripted.handler = lambda event: {
        "records": [{"recordId": entry["recordId"], "result": "Dropped"} for entry in event["records"]]
    }
    scripted.deliver(records(b"one", b"two"))
    assert scripted.objects == {}
    assert scripted.saved == [{"shardId-000000000000": f"{1:056d}"}]
    assert scripted.written[0].dropped == 2


def test_empty_data_is_delivered_as_nothing(scripted: Scripted) -> None:
    scripted.handler = lambda event: {"records": [ok(entry) | {"data": ""} for entry in event["records"]]}
    scripted.deliver(records(b"one"))
    assert (scripted.lines(), scripted.failures(), len(scripted.objects)) == ([], [], 1)


def test_an_error_line_holds_the_source_record_and_its_keys_in_the_services_order(scripted: Scripted) -> None:
    scripted.handler = lambda event: {
        "records": [
            {"recordId": entry["recordId"], "result": "ProcessingFailed", "data": "b3RoZXI="}
            for entry in event["records"]
        ]
    }
    scripted.deliver([record(b"as \x00\xff it came", 7)])
    (failure,) = scripted.failures()
    assert list(failure.items()) == [
        ("rawData", base64.b64encode(b"as \x00\xff it came").decode()),
        ("errorCode", "Lambda.ProcessingFailedStatus"),
        ("errorMessage", "ProcessingFailed status set for record"),
        ("attemptsMade", 1),
        ("arrivalTimestamp", ARRIVAL_MS),
        ("attemptEndingTimestamp", ARRIVAL_MS),
        ("lambdaARN", FUNCTION_ARN),
    ]


def test_error_objects_are_plain_ndjson_under_the_error_prefix(scripted: Scripted) -> None:
    scripted.handler = crash
    scripted.deliver(records(b"one", b"two"))
    ((key, it),) = scripted.objects.items()
    assert key.startswith(
        "failed/events/processing-failed/2026/11/21/headrace-events-1-2026-11-21-12-00-00-id-"
    )
    assert (it.encoding, it.body.endswith(b"\n"), it.body.count(b"\n")) == ("", True, 2)
