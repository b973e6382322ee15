import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.transform.answers import MAX_RESPONSE_BYTES, Room, dropped, failed, partition
from lambdas.transform.splitter import split
from tests.lambdas.firehose import good, nowhere, record, results


def encoded(answers: list[dict[str, Any]]) -> int:
    return len(json.dumps({"records": answers}))


@given(
    st.lists(
        st.tuples(st.text(max_size=60), st.sampled_from(["Ok", "Dropped", "ProcessingFailed"]), st.binary()),
        min_size=1,
        max_size=20,
    )
)
def test_the_room_is_counted_exactly_as_lambda_writes_the_answers(
    drawn: list[tuple[str, str, bytes]],
) -> None:
    room = Room([record_id for record_id, _, _ in drawn])
    answers: list[dict[str, Any]] = []
    for record_id, result, content in drawn:
        if result == "Ok":
            answer = room.deliver(record_id, "web_access.v1", content, 1_795_262_399_999)
            assert answer is not None
            assert base64.b64decode(answer["data"], validate=True) == content
            answers.append(answer)
        elif result == "Dropped":
            room.drop()
            answers.append(dropped(record_id))
        else:
            answers.append(failed(record_id))
    assert room.used == encoded(answers)
    for at, answer in enumerate(answers):
        if answer["result"] != "ProcessingFailed":
            room.fail(answer)
            answers[at] = failed(answer["recordId"])
            assert room.used == encoded(answers)


def batch_with_answer_of(size: int) -> list[dict[str, Any]]:
    """Records, all good, whose answers have exactly that many bytes."""
    records = [record(good(number, path="/" * 20_000)) for number in range(1, 231)]
    assert size - 44_000 < encoded(split(records, nowhere)[0]) < size - 10_000
    last = record(good(1000))
    gap = size - encoded(split([*records, last], nowhere, limit=size)[0])
    last = {**record(good(1000, path="/" * (1 + gap // 4 * 3))), "recordId": last["recordId"]}
    gap = size - encoded(split([*records, last], nowhere, limit=size)[0])
    assert 0 <= gap < 8
    last["recordId"] += "0" * gap
    return [*records, last]


def test_an_answer_of_exactly_the_limit_is_whole_and_one_byte_more_fails_one_record() -> None:
    batch = batch_with_answer_of(MAX_RESPONSE_BYTES)
    answers, tally = split(batch, nowhere)
    assert results(answers) == ["Ok"] * len(batch)
    assert tally.response_bytes == encoded(answers) == MAX_RESPONSE_BYTES
    batch[0] = {**batch[0], "recordId": batch[0]["recordId"] + "0"}
    answers, tally = split(batch, nowhere)
    assert results(answers) == ["Ok"] * (len(batch) - 1) + ["ProcessingFailed"]
    assert [answer["recordId"] for answer in answers] == [one["recordId"] for one in batch]
    assert tally.failed == {"response_full": 1}
    assert tally.response_bytes == encoded(answers) < MAX_RESPONSE_BYTES


def test_a_partition_goes_by_the_hour_of_arrival_in_utc() -> None:
    assert partition("web_access.v1", 1_795_262_399_999 // 3_600_000)[0] == {
        "partitionKeys": {"type": "web_access.v1", "date": "2026-11-21", "hour": "11"}
    }


@pytest.mark.parametrize("spare", [0, 1, 1000])
def test_a_record_that_finds_no_room_leaves_it_to_a_shorter_one(spare: int) -> None:
    long, short = record(good(1, path="/" * 30_000)), record(good(2))
    answers, _ = split([short, short], nowhere)
    answers, tally = split([long, short], nowhere, limit=encoded(answers) + spare)
    assert results(answers) == ["ProcessingFailed", "Ok"]
    assert tally.failed == {"response_full": 1}
