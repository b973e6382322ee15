import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from headrace.ops.settings import load
from headrace.schemas.codec import Event, decode
from lambdas.transform import error_stream, handler, report
from lambdas.transform.settings import TransformSettings
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import FailRecords, Refuse
from tests.lambdas.firehose import bad, good, lines, record, results


class Context:
    """Lambda's, as far as the handler asks; `seconds` are left when it is made."""

    def __init__(self, clock: ManualClock, seconds: float = 60) -> None:
        self._clock, self._ends = clock, clock.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return round((self._ends - self._clock.monotonic()) * 1000)


@pytest.fixture(autouse=True)
def made_anew(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    handler._error_stream.cache_clear()
    monkeypatch.setattr(handler, "SystemClock", lambda: clock)
    yield
    handler._error_stream.cache_clear()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    logger = Logger(service="a test of the transform", stream=written)
    monkeypatch.setattr(report, "_logger", logger)
    monkeypatch.setattr(error_stream, "_logger", logger)
    yield_to = logger.handlers[0]
    monkeypatch.setattr(yield_to, "stream", written)
    return written


def call(*records: dict[str, Any]) -> dict[str, Any]:
    return {"invocationId": "1", "region": "eu-west-1", "records": list(records)}


def metrics(
    capsys: pytest.CaptureFixture[str], namespace: str = "headrace"
) -> dict[tuple[str, str | None], float]:
    """(name, code) of each metric, and its value."""
    told = {}
    for line in capsys.readouterr().out.splitlines():
        document = json.loads(line)
        for directive in document["_aws"]["CloudWatchMetrics"]:
            assert directive["Namespace"] == namespace
            for metric in directive["Metrics"]:
                value = document[metric["Name"]]
                name = (metric["Name"], document.get("code"))
                told[name] = value[0] if isinstance(value, list) else value
    return told


def test_good_records_are_delivered_and_bad_ones_put_to_the_error_stream(
    kinesis: KinesisDouble, clock: ManualClock, capsys: pytest.CaptureFixture[str], log: io.StringIO
) -> None:
    records = [record(good(1)), record(bad(2)), record(good(3))]
    answer = handler.handle(call(*records), Context(clock))
    assert [one["recordId"] for one in answer["records"]] == [one["recordId"] for one in records]
    assert results(answer["records"]) == ["Ok", "Dropped", "Ok"]
    assert lines(answer["records"][2])[0]["_sequence"] == 3
    (stored,) = kinesis.records("errors")
    event = decode(stored.data)
    assert isinstance(event, Event)
    assert (stored.partition_key, event.data.raw) == (event.data.id, bad(2))
    assert metrics(capsys) == {
        ("RecordsDelivered", None): 2,
        ("RecordsRejected", None): 1,
        ("RejectsForwarded", None): 0,
        ("RecordsFailed", None): 0,
        ("ResponseBytes", None): len(json.dumps(answer)),
    }
    assert json.loads(log.getvalue())["codes"] == {"out_of_range": 1}


def test_a_batch_without_rejects_asks_kinesis_nothing(kinesis: KinesisDouble, clock: ManualClock) -> None:
    handler.handle(call(record(good(1))), Context(clock))
    assert kinesis.calls == []
    assert handler._error_stream.cache_info().currsize == 0


def test_an_error_stream_that_is_away_fails_the_rejects_alone_and_says_so(
    kinesis: KinesisDouble, clock: ManualClock, capsys: pytest.CaptureFixture[str], log: io.StringIO
) -> None:
    kinesis.faults.always("PutRecords", Refuse("InternalFailure", 500))
    secret = good(2, path="/a-secret").replace(b'"status":200', b'"status":2000')
    sent = record(secret)
    answer = handler.handle(call(record(good(1)), sent), Context(clock))
    assert results(answer["records"]) == ["Ok", "ProcessingFailed"]
    told = metrics(capsys)
    assert told["RecordsFailed", None] == told["RecordsFailed", "not_taken"] == 1
    assert told["ResponseBytes", None] == len(json.dumps(answer))
    place = sent["kinesisRecordMetadata"]
    assert f"{place['shardId']}/{place['sequenceNumber']}" in log.getvalue()
    assert "InternalFailure" in log.getvalue()
    assert "a-secret" not in log.getvalue()


def test_a_part_that_is_not_taken_in_time_fails_and_the_rest_is_dropped(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    kinesis.faults.always("PutRecords", FailRecords(frozenset({0})))
    answer = handler.handle(call(record(bad(1)), record(bad(2)), record(good(3))), Context(clock))
    assert results(answer["records"]) == ["ProcessingFailed", "Dropped", "Ok"]
    assert len(kinesis.records("errors")) == 1


def test_a_call_that_lambda_repeats_puts_the_same_reject_again(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    again = call(record(bad(1)))
    assert handler.handle(again, Context(clock)) == handler.handle(again, Context(clock))
    first, second = kinesis.records("errors")
    assert (first.data, first.partition_key) == (second.data, second.partition_key)


def test_a_fault_is_told_by_its_place_and_never_by_a_records_content(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a-secret")

    monkeypatch.setattr("lambdas.transform.splitter.deaggregate", fail)
    answer = handler.handle(call(record(b"\xf3\x89\x9a\xc2..."), record(good(1))), Context(clock))
    assert results(answer["records"]) == ["ProcessingFailed", "Ok"]
    assert "ZeroDivisionError" in log.getvalue()
    assert "transform_fault" in log.getvalue()
    assert "a-secret" not in log.getvalue()


def test_the_stream_and_the_metrics_namespace_are_settings(
    kinesis: KinesisDouble,
    clock: ManualClock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinesis.create_stream("rejects", shards=1)
    given = {"HEADRACE_ERROR_STREAM": "rejects", "HEADRACE_EMF_NAMESPACE": "headrace/dev"}
    monkeypatch.setattr(handler, "_SETTINGS", load(TransformSettings, given))
    handler.handle(call(record(bad(1))), Context(clock))
    assert (len(kinesis.records("rejects")), kinesis.records("errors")) == (1, [])
    assert metrics(capsys, "headrace/dev")["RecordsRejected", None] == 1
