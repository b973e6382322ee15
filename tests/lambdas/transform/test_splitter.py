from datetime import timedelta
from typing import Any

import pytest

from headrace.kinesis.aggregation import UserRecord, aggregate
from headrace.schemas.codec import Event, decode, encode
from headrace.schemas.records.producer_status import ProducerStatus
from headrace.schemas.records.reject import MAX_RAW_BYTES
from lambdas.transform import splitter
from lambdas.transform.rejects import PLACE
from lambdas.transform.splitter import split
from tests.lambdas.firehose import (
    ARRIVAL,
    ARRIVAL_MS,
    EVENT_TIME,
    SHARD,
    SOURCE,
    Errors,
    bad,
    good,
    nowhere,
    record,
    results,
)
from tests.lambdas.firehose import lines as lines_of
from tests.schemas.examples import good_examples

REJECTS = [case.raw for case in good_examples() if case.record_type == "reject.v1"]


def together(*raws: bytes) -> bytes:
    return aggregate(UserRecord("k", None, raw) for raw in raws)


def status() -> bytes:
    return encode(SOURCE, None, EVENT_TIME, ProducerStatus(spooled=2, acknowledged=1))


def kept(errors: Errors) -> list[Any]:
    events = [decode(parcel.data) for parcel in errors.kept]
    assert all(isinstance(event, Event) for event in events)
    assert [parcel.key for parcel in errors.kept] == [event.data.id for event in events]  # type: ignore[union-attr]
    return events


def test_a_good_record_goes_to_the_partition_of_its_type_and_hour_of_arrival() -> None:
    (answer,), tally = split([record(good(7))], nowhere)
    assert answer["metadata"] == {
        "partitionKeys": {"type": "web_access.v1", "date": "2026-11-21", "hour": "11"}
    }
    (line,) = lines_of(answer)
    assert (line["path"], line["_sequence"]) == ("/", 7)
    assert line["_ingested_at"] == "2026-11-21T11:59:59.123000Z"
    assert tally.delivered == 1


def test_without_its_place_in_kinesis_a_record_has_arrived_when_firehose_got_it() -> None:
    errors = Errors()
    answers, _ = split([record(good(), kinesis=False), record(bad(), kinesis=False)], errors.put)
    assert lines_of(answers[0])[0]["_ingested_at"] == "2026-11-21T11:59:59.123000Z"
    (event,) = kept(errors)
    assert (event.time, event.data.shard, event.data.shard_sequence) == (ARRIVAL, None, None)


def test_a_bad_record_is_put_to_errors_whole_and_dropped() -> None:
    errors = Errors()
    sent = record(bad(9))
    answers, tally = split([record(good(8)), sent, record(good(10))], errors.put)
    assert results(answers) == ["Ok", "Dropped", "Ok"]
    (event,) = kept(errors)
    assert (event.source, event.sequence, event.time) == (SOURCE, "0000000000000009", ARRIVAL)
    assert (event.data.stage, event.data.code, event.data.raw) == ("transform", "out_of_range", bad(9))
    assert event.data.shard == SHARD
    assert event.data.shard_sequence == sent["kinesisRecordMetadata"]["sequenceNumber"]
    assert (tally.delivered, tally.rejected, tally.failures) == (2, {"out_of_range": 1}, [])


def test_a_record_whose_number_cannot_be_read_travels_under_its_reject_id() -> None:
    errors = Errors()
    split([record(b"\xff\xfe")], errors.put)
    (event,) = kept(errors)
    assert (event.source, event.sequence) == (f"unnumbered/{event.data.id}", "0000000000000001")


@pytest.mark.parametrize("raw", REJECTS)
def test_a_producers_reject_is_forwarded_as_its_very_bytes(raw: bytes) -> None:
    errors = Errors()
    answers, tally = split([record(raw)], errors.put)
    assert results(answers) == ["Dropped"]
    assert [parcel.data for parcel in errors.kept] == [raw]
    assert kept(errors)
    assert (tally.forwarded, tally.rejected) == (1, {})


def test_a_status_is_delivered_without_a_number() -> None:
    (answer,), _ = split([record(status())], nowhere)
    assert answer["metadata"]["partitionKeys"]["type"] == "producer_status.v1"
    assert lines_of(answer)[0]["_sequence"] is None


def test_a_record_longer_than_a_reject_holds_fails_and_its_reject_says_where_it_is() -> None:
    errors = Errors()
    whole = b"x" * MAX_RAW_BYTES
    answers, tally = split([record(whole), record(whole + b"x")], errors.put)
    assert results(answers) == ["Dropped", "ProcessingFailed"]
    fits, long = kept(errors)
    assert (fits.data.raw_length, fits.data.raw_place) == (MAX_RAW_BYTES, None)
    assert (long.data.raw, long.data.raw_length) == (whole, MAX_RAW_BYTES + 1)
    assert long.data.raw_place == PLACE == "archive:failed/events/processing-failed/"
    assert (tally.rejected, tally.failed) == ({"not_json": 1}, {"not_json": 1})


def test_what_errors_does_not_take_fails_so_that_firehose_keeps_it() -> None:
    errors = Errors(takes=[True, False, True])
    answers, tally = split([record(bad(1)), record(bad(2)), record(good(3)), record(REJECTS[0])], errors.put)
    assert results(answers) == ["Dropped", "ProcessingFailed", "Ok", "Dropped"]
    assert tally.failed == {"not_taken": 1}
    assert tally.failures[0].shard == SHARD


def test_a_put_that_raises_fails_the_rejects_and_nothing_else() -> None:
    def put(_: object) -> list[bool]:
        raise ConnectionError

    answers, tally = split([record(bad(1)), record(good(2))], put)
    assert results(answers) == ["ProcessingFailed", "Ok"]
    assert (len(tally.faults), tally.failed) == (1, {"not_taken": 1})


def test_an_aggregate_of_good_records_of_one_type_is_delivered_as_their_lines() -> None:
    (answer,), tally = split([record(together(good(1), good(2), good(3)))], nowhere)
    assert [line["_sequence"] for line in lines_of(answer)] == [1, 2, 3]
    assert tally.delivered == 3


def test_bad_records_in_an_aggregate_go_to_errors_and_the_rest_is_delivered() -> None:
    errors = Errors()
    (answer,), tally = split([record(together(bad(1), good(2), REJECTS[0], good(4)))], errors.put)
    assert [line["_sequence"] for line in lines_of(answer)] == [2, 4]
    assert kept(errors)[0].data.code == "out_of_range"
    assert errors.kept[1].data == REJECTS[0]
    assert (tally.delivered, tally.rejected, tally.forwarded) == (2, {"out_of_range": 1}, 1)


def test_an_aggregate_with_a_reject_that_is_not_taken_fails_whole() -> None:
    errors = Errors(takes=[True, False])
    sent = [record(together(bad(1), good(2), bad(3))), record(good(4))]
    answers, tally = split(sent, errors.put)
    assert results(answers) == ["ProcessingFailed", "Ok"]
    assert "data" not in answers[0]
    assert (tally.delivered, tally.rejected, tally.failed) == (1, {}, {"not_taken": 1})


def test_an_aggregate_for_several_partitions_fails_whole_and_puts_nothing() -> None:
    mixed = together(good(1), status(), bad(3), REJECTS[0])
    answers, tally = split([record(mixed), record(good(4))], nowhere)
    assert results(answers) == ["ProcessingFailed", "Ok"]
    assert (tally.delivered, tally.failed) == (1, {"mixed_aggregate": 1})


def test_an_aggregate_with_no_room_fails_whole_and_puts_nothing() -> None:
    answers, tally = split([record(together(good(1), bad(2)))], nowhere, limit=300)
    assert results(answers) == ["ProcessingFailed"]
    assert tally.failed == {"response_full": 1}


def test_a_damaged_aggregate_is_one_bad_record() -> None:
    errors = Errors()
    damaged = together(good(1), good(2))[:-1] + b"\0"
    answers, _ = split([record(damaged)], errors.put)
    assert results(answers) == ["Dropped"]
    (event,) = kept(errors)
    assert event.data.raw == damaged


def poisoned(real: Any) -> Any:
    def fail(raw: Any, *rest: Any) -> Any:
        if b"poison" in raw if isinstance(raw, bytes) else raw.data.path == "/poison":
            raise ZeroDivisionError("by the test")
        return real(raw, *rest)

    return fail


@pytest.mark.parametrize(
    ("module", "name", "number"),
    [(splitter, "decode", "0000000000000001"), (splitter, "line", "0000000000000002")],
)
def test_a_fault_of_our_own_costs_the_one_record_that_provokes_it(
    module: Any, name: str, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, poisoned(getattr(module, name)))
    errors = Errors()
    poison = good(2, path="/poison")
    answers, tally = split([record(good(1)), record(together(good(1), poison)), record(good(3))], errors.put)
    assert results(answers) == ["Ok", "Ok", "Ok"]
    monkeypatch.undo()
    (event,) = kept(errors)
    assert (event.data.code, event.data.raw) == ("transform_fault", poison)
    assert event.sequence == number  # of a record that was read, its own
    assert "ZeroDivisionError" in event.data.errors[0].message
    assert tally.rejected == {"transform_fault": 1}


@pytest.mark.parametrize(
    "broken", [{"data": 5}, {"data": "AAA"}, {"kinesisRecordMetadata": {"shardId": SHARD}}], ids=str
)
def test_a_record_that_cannot_even_be_rejected_fails_alone(broken: dict[str, Any]) -> None:
    answers, tally = split([record(good(1)), record(bad(2)) | broken, record(good(3))], nowhere)
    assert results(answers) == ["Ok", "ProcessingFailed", "Ok"]
    assert tally.failed == {"transform_fault": 1}
    assert len(tally.faults) == 1


def test_records_with_the_same_arrival_hour_share_a_partition_and_later_ones_do_not() -> None:
    hour = timedelta(hours=1) // timedelta(milliseconds=1)
    answers, _ = split([record(good(1)), record(good(2), arrival_ms=ARRIVAL_MS + hour)], nowhere)
    assert [answer["metadata"]["partitionKeys"]["hour"] for answer in answers] == ["11", "12"]


def test_no_records_make_no_answers() -> None:
    answers, tally = split([], nowhere)
    assert answers == []
    assert tally.response_bytes == len('{"records": []}')
