"""When a delivery calls, writes and remembers, and what it does while a service is away."""

import base64
import json
import re
from typing import Any

import pytest

from headrace.errors import (
    ArchiveRefused,
    ArchiveUnavailable,
    HeadraceError,
    KinesisUnavailable,
    TransformUnavailable,
)
from infra.local.delivery.engine import DeliveryStream
from tests.infra.delivery.scripted import ARRIVAL_MS, Scripted, all_ok, ok, record, records

MIB = 1 << 20
SHARD = "shardId-000000000000"


def step(delivery: DeliveryStream, scripted: Scripted, *contents: bytes, first: int = 0) -> None:
    """Give some records, and let the delivery read them."""
    scripted.chunks.append([record(content, first + number) for number, content in enumerate(contents)])
    delivery.step()


def test_the_function_is_called_as_firehose_does(scripted: Scripted) -> None:
    inside = record(b"\x00\xff", 5, subsequence=3, partition_key="k", shard="shardId-000000000002")
    scripted.deliver([record(b"plain", 4), inside])
    (event,) = scripted.events
    plain, part = event.pop("records")
    assert event == {
        "invocationId": "id-2",  # the first was spent on measuring an empty event
        "sourceKinesisStreamArn": "arn:aws:kinesis:eu-west-1:123456789012:stream/events",
        "deliveryStreamArn": "arn:aws:firehose:eu-west-1:123456789012:deliverystream/headrace-events",
        "region": "eu-west-1",
    }
    assert part == {
        "recordId": f"{5:056d}000003",
        "approximateArrivalTimestamp": ARRIVAL_MS,
        "data": "AP8=",
        "kinesisRecordMetadata": {
            "shardId": "shardId-000000000002",
            "partitionKey": "k",
            "approximateArrivalTimestamp": ARRIVAL_MS,
            "sequenceNumber": f"{5:056d}",
            "subsequenceNumber": "3",
        },
    }
    assert plain["kinesisRecordMetadata"]["subsequenceNumber"] == ""
    assert plain["recordId"] == f"{4:056d}000000"


def test_records_wait_for_others_of_their_call_until_the_time_is_up(scripted: Scripted) -> None:
    delivery = scripted.delivery()
    step(delivery, scripted, b"one")
    scripted.clock.advance(0.9)
    step(delivery, scripted, b"two", first=1)
    delivery.step()
    assert scripted.events == []
    scripted.clock.advance(0.1)
    delivery.step()
    assert [len(event["records"]) for event in scripted.events] == [2]


def test_a_megabyte_of_raw_records_is_called_at_once_and_no_call_has_more(scripted: Scripted) -> None:
    delivery = scripted.delivery()
    step(delivery, scripted, *[b"x" * (MIB // 4)] * 6)
    delivery.step()
    assert [len(event["records"]) for event in scripted.events] == [4]
    delivery.flush()
    assert [len(event["records"]) for event in scripted.events] == [4, 2]


LIMIT = 6_291_556


def test_a_request_has_lambdas_limit_at_most_and_up_to_its_last_byte(scripted: Scripted) -> None:
    short = [record(b"", number) for number in range(20_000)]
    scripted.deliver(short)
    fitting = len(scripted.events[0]["records"])
    assert sum(len(event["records"]) for event in scripted.events) == 20_000
    left = LIMIT - scripted.longest_event
    assert 0 <= left < 1_000
    for more, calls in ((left, 1), (left + 1, 2)):
        again = Scripted(scripted.clock)
        again.deliver([*short[: fitting - 1], record(b"", fitting, partition_key="k" * (len("key") + more))])
        assert (len(again.events), again.longest_event <= LIMIT) == (calls, True)
        assert calls == 2 or again.longest_event == LIMIT


def test_a_record_too_long_for_any_request_fails_as_if_lambda_had_refused_it_four_times(
    scripted: Scripted,
) -> None:
    scripted.deliver(records(b"before", b"x" * (10 * MIB), b"after"))
    assert scripted.lines() == [b"beforeafter"]
    ((raw, code),) = scripted.failed().items()
    assert (len(raw), code, scripted.failures()[0]["attemptsMade"]) == (10 * MIB, "Lambda.FunctionError", 4)


def test_objects_are_written_when_their_time_is_up(scripted: Scripted) -> None:
    delivery = scripted.delivery()
    step(delivery, scripted, b"one")
    scripted.clock.advance(1)
    delivery.step()
    scripted.clock.advance(14.9)
    delivery.step()
    assert scripted.objects == {}
    scripted.clock.advance(0.1)
    delivery.step()
    assert scripted.lines() == [b"one"]


def test_objects_are_written_when_they_are_full_before_compression(scripted: Scripted) -> None:
    delivery = scripted.delivery(buffer_bytes=3 * MIB)
    for number in range(3):
        assert scripted.objects == {}
        step(delivery, scripted, b"x" * MIB, first=number)
        delivery.step()
    ((_, it),) = scripted.objects.items()
    assert (it.records, len(it.body) < MIB // 10) == (3, True)


def test_a_long_backlog_never_makes_an_object_much_larger_than_its_buffer(scripted: Scripted) -> None:
    delivery = scripted.delivery(buffer_bytes=2 * MIB)
    step(delivery, scripted, *[b"x" * (MIB // 2)] * 20)
    delivery.step()
    delivery.flush()
    assert [it.records for it in scripted.objects.values()] == [4] * 5


def test_each_partition_has_an_object_of_its_own_under_its_keys(scripted: Scripted) -> None:
    scripted.handler = lambda event: {
        "records": [
            ok(entry, type=base64.b64decode(entry["data"]).decode().rstrip("012"))
            for entry in event["records"]
        ]
    }
    scripted.deliver(records(b"a0", b"b0", b"a1", b"a2"))
    assert scripted.lines("events/type=a/date=2026-11-21/hour=12/") == [b"a0a1a2"]
    assert scripted.lines("events/type=b/date=2026-11-21/hour=12/") == [b"b0"]
    assert len(scripted.objects) == 2


def test_an_object_is_named_by_the_arrival_of_its_oldest_record(scripted: Scripted) -> None:
    older = record(b"2", 2, arrival_ms=ARRIVAL_MS - 3_600_000, shard="shardId-000000000001")
    scripted.deliver([record(b"1", 1), older])
    (key,) = scripted.objects
    assert re.fullmatch(
        r"events/type=web_access\.v1/date=2026-11-21/hour=12/headrace-events-1-2026-11-21-11-00-00-id-\d\.gz",
        key,
    )


def test_the_stream_of_errors_is_delivered_without_a_function_one_line_a_record(scripted: Scripted) -> None:
    rejects = [
        json.dumps({"data": {"code": code}, "n": n}).encode() for n, code in enumerate(["a", "b", "a"])
    ]
    scripted.deliver(records(*rejects), "errors")
    assert scripted.events == []
    assert scripted.lines("errors/code=a/date=2026-11-21/") == [rejects[0], rejects[2]]
    assert scripted.lines("errors/code=b/date=2026-11-21/") == [rejects[1]]
    assert all(it.encoding == "gzip" for it in scripted.objects.values())


def test_a_record_without_a_partition_key_goes_to_the_error_prefix_and_no_function_is_named(
    scripted: Scripted,
) -> None:
    scripted.deliver(records(b"no json", b'{"data": {}}', b'{"data": {"code": "a"}}'), "errors")
    told = {failure["rawData"]: failure for failure in scripted.failures(stream="errors")}
    assert {failure["errorMessage"] for failure in told.values()} == {
        "Non JSON record provided",
        "partitionKeys values must not be null or empty",
    }
    assert {failure["errorCode"] for failure in told.values()} == {
        "DynamicPartitioning.MetadataExtractionFailed"
    }
    assert all("lambdaARN" not in failure for failure in told.values())
    assert scripted.lines("errors/") == [b'{"data": {"code": "a"}}']


def test_more_than_500_partitions_overflow_to_the_error_prefix_until_the_next_object(
    scripted: Scripted,
) -> None:
    scripted.handler = lambda event: {
        "records": [ok(entry, type=f"t{n}") for n, entry in enumerate(event["records"])]
    }
    delivery = scripted.delivery()
    step(delivery, scripted, *(b"%d" % n for n in range(503)))
    delivery.flush()
    overflow = scripted.failures("activePartitionExceeded")
    assert [base64.b64decode(failure["rawData"]) for failure in overflow] == [b"500", b"501", b"502"]
    assert len([key for key in scripted.objects if key.startswith("events/")]) == 500
    step(delivery, scripted, b"again", first=600)
    delivery.flush()
    assert len(scripted.failures("activePartitionExceeded")) == 3


def test_the_checkpoint_follows_the_last_object(scripted: Scripted) -> None:
    delivery = scripted.delivery()
    other = record(b"two", 9, shard="shardId-000000000001")
    scripted.chunks.append([record(b"one", 1), other])
    delivery.step()
    assert scripted.saved == []
    delivery.flush()
    assert scripted.saved == [{SHARD: f"{1:056d}", "shardId-000000000001": f"{9:056d}"}]


def test_an_aggregate_is_passed_only_when_its_last_record_is(scripted: Scripted) -> None:
    delivery = scripted.delivery(buffer_bytes=MIB)
    parts = [record(b"x" * MIB, 7, subsequence=number, last=number == 1) for number in range(2)]
    scripted.chunks.append([record(b"x", 6), *parts])
    scripted.put_errors = []
    delivery.step()
    delivery.flush()
    assert scripted.saved[0] == {SHARD: f"{6:056d}"}
    assert scripted.saved[-1] == {SHARD: f"{7:056d}"}


@pytest.mark.parametrize("error", [ArchiveUnavailable("503"), ArchiveRefused("AccessDenied")])
def test_while_the_bucket_refuses_nothing_is_dropped_read_or_remembered(
    scripted: Scripted, error: HeadraceError
) -> None:
    scripted.handler = lambda event: {
        "records": [ok(entry, hour=f"{n:02}") for n, entry in enumerate(event["records"])]
    }
    delivery = scripted.delivery()
    step(delivery, scripted, b"one", b"two", b"three")
    scripted.put_errors = [error] * 5
    with pytest.raises(type(error)):
        delivery.flush()
    scripted.chunks.append(records(b"later"))
    for _ in range(4):
        with pytest.raises(type(error)):
            delivery.step()
    assert (scripted.objects, scripted.saved, len(scripted.chunks), delivery.oldest_ms) == (
        {},
        [],
        1,
        ARRIVAL_MS,
    )
    delivery.step()
    assert sorted(scripted.lines()) == [b"one", b"three", b"two"]
    assert (len(scripted.saved), len(scripted.chunks), len(scripted.events)) == (1, 0, 1)


def test_an_object_whose_answer_was_lost_is_written_again_under_its_name(scripted: Scripted) -> None:
    delivery = scripted.delivery()
    step(delivery, scripted, b"one")
    put = delivery._put
    keys: list[str] = []

    def lost(it: Any) -> None:
        keys.append(it.key)
        put(it)
        if len(keys) == 1:
            raise ArchiveUnavailable("the answer was lost")

    delivery._put = lost
    with pytest.raises(ArchiveUnavailable):
        delivery.flush()
    delivery.flush()
    assert (len(keys), len(set(keys)), scripted.lines()) == (2, 1, [b"one"])


def test_while_lambda_is_away_no_attempt_is_used_up_and_nothing_is_lost(scripted: Scripted) -> None:
    delivery = scripted.delivery()
    step(delivery, scripted, b"one")
    scripted.clock.advance(1)
    scripted.invoke_errors = [TransformUnavailable("refused")] * 7
    for _ in range(7):
        with pytest.raises(TransformUnavailable):
            delivery.step()
    delivery.flush()
    assert (scripted.lines(), scripted.failures(), len(scripted.events)) == ([b"one"], [], 1)


def test_while_kinesis_is_away_what_was_read_is_delivered_in_its_time(scripted: Scripted) -> None:
    delivery = scripted.delivery()
    step(delivery, scripted, b"one")
    scripted.chunks = [KinesisUnavailable("no answer")] * 2
    for seconds in (1, 15):
        scripted.clock.advance(seconds)
        with pytest.raises(KinesisUnavailable):
            delivery.step()
    assert (scripted.lines(), len(scripted.saved)) == ([b"one"], 1)


def test_the_age_of_the_oldest_record_is_known_until_it_is_written(scripted: Scripted) -> None:
    delivery = scripted.delivery()
    assert delivery.oldest_ms is None
    step(delivery, scripted, b"one")
    assert delivery.oldest_ms == ARRIVAL_MS
    scripted.clock.advance(1)
    delivery.step()
    assert delivery.oldest_ms == ARRIVAL_MS
    delivery.flush()
    assert delivery.oldest_ms is None


def test_what_was_written_is_told_by_fate_and_code(scripted: Scripted) -> None:
    scripted.handler = lambda event: {"records": all_ok(event)["records"][1:]}
    scripted.deliver(records(b"one", b"two", b"three"))
    (written,) = scripted.written
    assert (written.objects, written.records, written.dropped) == (2, 2, 0)
    assert dict(written.failures) == {"Lambda.MissingRecordId": 1}


def test_nothing_is_written_and_nothing_remembered_for_nothing(scripted: Scripted) -> None:
    delivery = scripted.delivery()
    assert delivery.step() is False
    scripted.clock.advance(100)
    delivery.step()
    assert (scripted.saved, scripted.objects) == ([], {})
