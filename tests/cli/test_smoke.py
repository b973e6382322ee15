from collections import Counter
from datetime import UTC, datetime

import pytest

from cli.smoke_records import COUNT, WIKI, SmokeRecords, send
from headrace.errors import KinesisUnavailable
from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint
from headrace.kinesis.signature import Keys
from headrace.schemas.codec import decode
from headrace.schemas.event import Event
from headrace.schemas.records.producer_status import ProducerStatus
from headrace.schemas.records.wiki_edit import WikiEdit
from tests.cli.conftest import WITHOUT_WORKERS, Headrace
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import FailRecords, Refuse

NUMBER = "01M7ZR5QAT6A7GWFVB321DT1T1"
TIME = datetime(2026, 11, 21, 23, 59, 59, 999_999, tzinfo=UTC)


def test_the_records_are_good_ones_of_one_source_in_one_row_of_one_window() -> None:
    records = SmokeRecords(NUMBER, TIME)
    events = [decode(entry.data) for entry in records.entries()]
    assert all(isinstance(event, Event) and event.source == f"smoke/{NUMBER}" for event in events)
    edits = [event for event in events if isinstance(event, Event) and isinstance(event.data, WikiEdit)]
    assert {(edit.data.wiki, edit.data.kind, edit.time) for edit in edits} == {(WIKI, NUMBER, TIME)}
    assert sorted(int(edit.sequence or 0) for edit in edits) == list(range(1, COUNT + 1))
    assert records.window_start == datetime(2026, 11, 21, 23, 59, tzinfo=UTC)


def test_the_source_says_that_it_is_closed() -> None:
    last = decode(SmokeRecords(NUMBER, TIME).entries()[-1].data)
    assert isinstance(last, Event)
    assert last.data == ProducerStatus(spooled=COUNT, acknowledged=COUNT, closed=True)


def sent(kinesis: KinesisDouble, clock: ManualClock, *, seconds: float = 60) -> Counter[bytes]:
    """How often each record is on the stream."""
    endpoint = Endpoint(kinesis.url, "us-east-1", lambda: Keys("test", "test"))
    client = KinesisClient(endpoint, clock)
    try:
        entries = SmokeRecords(NUMBER, TIME).entries()
        send(client, "events", entries, clock, until=clock.monotonic() + seconds)
    finally:
        client.close()
    return Counter(record.data for record in kinesis.records())


def test_what_kinesis_does_not_take_is_put_again() -> None:
    clock = ManualClock()
    with KinesisDouble(clock) as kinesis:
        kinesis.create_stream()
        kinesis.faults.script(
            "PutRecords", Refuse("InternalFailure", status=500), FailRecords(frozenset({0, 7, 100}))
        )
        put = sent(kinesis, clock)
    assert len(put) == COUNT + 1
    assert set(put.values()) == {1}


def test_a_stream_that_takes_nothing_is_told_in_time() -> None:
    clock = ManualClock()
    with KinesisDouble(clock) as kinesis:
        kinesis.create_stream()
        kinesis.faults.always("PutRecords", Refuse("InternalFailure", status=500))
        with pytest.raises(KinesisUnavailable, match="took not all of 101 records in time"):
            sent(kinesis, clock, seconds=5)
        assert 5 <= clock.monotonic() < 10


@pytest.mark.stack
def test_a_stage_whose_job_does_not_run_fails_its_smoke_test(headrace: Headrace) -> None:
    assert headrace("up", *WITHOUT_WORKERS).code == 0
    answer = headrace("smoke", "--stage", "local", "--wait", "2")
    assert answer.code == 1
    assert "sent 100 records of smoke/" in answer.err
    assert "smoke test failed: not seen in wiki_edits_1m" in answer.err
    assert "the window holds 0 of 100 records" in answer.err


def test_a_laptop_where_nothing_runs_is_told_at_once(headrace: Headrace) -> None:
    answer = headrace("smoke", "--stage", "local")
    assert answer.code == 1
    assert "no local stack runs" in answer.err


def test_a_stage_that_is_not_there_is_wrong_use(headrace: Headrace) -> None:
    answer = headrace("smoke", "--stage", "nowhere")
    assert answer.code == 2
    assert "there is no stage 'nowhere'" in answer.err
