"""The signed client against the double: answers, errors, time-outs, a wrong clock."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from headrace import errors
from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint
from headrace.kinesis.messages import PutEntry, shard_map
from headrace.kinesis.signature import Keys
from headrace.ops.clock import Clock
from tests.doubles.clock import START, ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import FailRecords, Nothing, Refuse, Reset, Stall

ONE = [PutEntry(b"x", "k")]
FIRST = "shardId-000000000000"


def client_of(kinesis: KinesisDouble, clock: Clock, read_seconds: float = 2) -> KinesisClient:
    endpoint = Endpoint(kinesis.url, "eu-west-1", lambda: Keys("AKID", "secret"))
    return KinesisClient(endpoint, clock, connect_seconds=2, read_seconds=read_seconds)


def test_a_record_comes_back_as_it_was_put(client: KinesisClient, clock: ManualClock) -> None:
    data, key = bytes(range(256)) * 10, 'kéy "quoted"\\ \u2028\U0001f600'
    clock.advance(0.123)
    (put,) = client.put_records("events", [PutEntry(data, key, "5")])
    iterator = client.get_shard_iterator("events", FIRST, "TRIM_HORIZON")
    clock.advance(7)
    answer, date = client.get_records(iterator)
    (record,) = answer.records
    assert (record.data, record.partition_key) == (data, key)
    assert (record.sequence_number, put.shard_id) == (put.sequence_number, FIRST)
    assert record.arrival_ms == int(START.timestamp() * 1000) + 123
    assert date == START + timedelta(seconds=7), "the service's clock, to the second"
    assert answer.next_shard_iterator is not None
    assert answer.millis_behind_latest == 0


def test_failed_entries_are_told_apart_from_written_ones(
    client: KinesisClient, kinesis: KinesisDouble
) -> None:
    kinesis.faults.script("PutRecords", FailRecords(frozenset({1})))
    results = client.put_records("events", [PutEntry(b"%d" % n, "k") for n in range(3)])
    codes = [result.error_code for result in results]
    assert codes == [None, "ProvisionedThroughputExceededException", None]
    assert [record.data for record in kinesis.records()] == [b"0", b"2"]


def test_where_to_start_reading(client: KinesisClient, clock: ManualClock) -> None:
    puts = []
    for n in range(4):
        puts.append(client.put_records("events", [PutEntry(b"%d" % n, "k", "0")])[0].sequence_number)
        clock.advance(10)

    def read(start: str, **place: object) -> list[bytes]:
        iterator = client.get_shard_iterator("events", FIRST, start, **place)  # type: ignore[arg-type]
        return [record.data for record in client.get_records(iterator).answer.records]

    assert read("TRIM_HORIZON") == [b"0", b"1", b"2", b"3"]
    assert read("AT_SEQUENCE_NUMBER", sequence_number=puts[2]) == [b"2", b"3"]
    assert read("AFTER_SEQUENCE_NUMBER", sequence_number=puts[2]) == [b"3"]
    assert read("AT_TIMESTAMP", timestamp=START + timedelta(seconds=10)) == [b"1", b"2", b"3"]
    assert read("LATEST") == []


def test_an_empty_answer_may_still_be_behind(client: KinesisClient, kinesis: KinesisDouble) -> None:
    client.put_records("events", [PutEntry(b"x", "k", "0")])
    kinesis.faults.script("GetRecords", Nothing())
    answer = client.get_records(client.get_shard_iterator("events", FIRST, "TRIM_HORIZON")).answer
    assert answer.records == []
    assert answer.millis_behind_latest > 0
    assert answer.next_shard_iterator is not None
    assert len(client.get_records(answer.next_shard_iterator).answer.records) == 1


def test_a_closed_shard_ends_with_its_children(client: KinesisClient, kinesis: KinesisDouble) -> None:
    client.put_records("events", [PutEntry(b"x", "k", "0")])
    children = kinesis.split(FIRST)
    answer = client.get_records(client.get_shard_iterator("events", FIRST, "TRIM_HORIZON")).answer
    assert [record.data for record in answer.records] == [b"x"]
    assert answer.next_shard_iterator is None
    assert [child.shard_id for child in answer.child_shards] == [child.shard_id for child in children]
    assert answer.child_shards[0].parent_shards == [FIRST]


def test_shards_are_listed_over_all_pages_with_their_parents(
    client: KinesisClient, kinesis: KinesisDouble
) -> None:
    kinesis.api.page_shards = 2
    low, high = kinesis.split(FIRST)
    merged = kinesis.merge(high.shard_id, "shardId-000000000001")
    shards = {shard.shard_id: shard for shard in client.list_shards("events")}
    assert len(shards) == 7
    assert kinesis.calls.count("ListShards") == 4
    assert shards[low.shard_id].parents == (FIRST,)
    assert shards[merged.shard_id].parents == (high.shard_id, "shardId-000000000001")
    assert not shards[FIRST].is_open
    assert {shard.shard_id for shard in shard_map(list(shards.values())).shards} == {
        "shardId-000000000002",
        "shardId-000000000003",
        low.shard_id,
        merged.shard_id,
    }


def test_a_stream_is_made_once_and_waited_for(
    client: KinesisClient, kinesis: KinesisDouble, clock: ManualClock
) -> None:
    kinesis.api.creation_seconds = 3
    assert client.create_stream("more", shards=2) is True
    assert clock.monotonic() >= 3
    assert client.create_stream("more", shards=2) is False
    assert client.create_stream("demand") is True
    assert client.describe_stream_summary("demand").open_shard_count == 4
    with pytest.raises(errors.StreamInUse, match="CREATING"):
        client.create_stream("slow", wait_seconds=1)


def test_a_stream_made_anew_has_another_creation_time(client: KinesisClient, clock: ManualClock) -> None:
    first = client.describe_stream_summary("events").created_at
    client.delete_stream("events")
    with pytest.raises(errors.KinesisNotFound):
        client.describe_stream_summary("events")
    clock.advance(0.25)
    client.create_stream("events", shards=1)
    assert client.describe_stream_summary("events").created_at == first + timedelta(seconds=0.25)


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (lambda c: c.put_records("nowhere", ONE), errors.KinesisNotFound),
        (lambda c: c.list_shards("nowhere"), errors.KinesisNotFound),
        (lambda c: c.get_shard_iterator("events", "shardId-000000000099", "LATEST"), errors.KinesisNotFound),
        (lambda c: c.put_records("events", ONE * 501), errors.KinesisRefused),
        (lambda c: c.put_records("events", [PutEntry(b"x", "k" * 257)]), errors.KinesisRefused),
        (lambda c: c.put_records("events", [PutEntry(b"x" * (1 << 20), "k")]), errors.KinesisRefused),
        (lambda c: c.put_records("events", [PutEntry(b"x" * 1_000_000, "k")] * 11), errors.KinesisRefused),
        (lambda c: c.put_records("events", [PutEntry(b"x", "k", str(2**128))]), errors.KinesisRefused),
        (lambda c: c.get_records("garbage"), errors.KinesisRefused),
        (
            lambda c: c.get_shard_iterator("events", FIRST, "AT_SEQUENCE_NUMBER", sequence_number="1"),
            errors.KinesisRefused,
        ),
        (lambda c: c.call("NoSuchOperation", b"{}"), errors.KinesisRefused),
    ],
)
def test_what_cannot_be_done_is_refused(
    client: KinesisClient, ask: Callable[[KinesisClient], object], kind: type[Exception]
) -> None:
    with pytest.raises(errors.HeadraceError) as raised:
        ask(client)
    assert type(raised.value) is kind


def test_an_iterator_lives_five_minutes(client: KinesisClient, clock: ManualClock) -> None:
    iterator = client.get_shard_iterator("events", FIRST, "LATEST")
    clock.advance(300)
    client.get_records(iterator)
    clock.advance(1)
    with pytest.raises(errors.IteratorExpired):
        client.get_records(iterator)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Refuse(), errors.KinesisUnavailable),
        (Refuse(status=503), errors.KinesisUnavailable),
        (Refuse("ProvisionedThroughputExceededException", 400), errors.KinesisThrottled),
        (Refuse("LimitExceededException", 400), errors.KinesisThrottled),
        (Refuse("AccessDeniedException", 400), errors.KinesisRefused),
        (Refuse("ExpiredTokenException", 400), errors.KinesisUnavailable),
        (Reset(), errors.KinesisUnavailable),
    ],
)
def test_a_fault_is_raised_and_the_next_call_is_well(
    client: KinesisClient, kinesis: KinesisDouble, fault: Refuse | Reset, kind: type[Exception]
) -> None:
    kinesis.faults.script("PutRecords", fault)
    with pytest.raises(errors.HeadraceError) as raised:
        client.put_records("events", ONE)
    assert type(raised.value) is kind
    assert kinesis.records() == []
    client.put_records("events", ONE)
    assert len(kinesis.records()) == 1


@pytest.mark.parametrize("fault", [Refuse(after=True), Reset(after=True), Stall(after=True)])
def test_an_answer_lost_after_the_effect_looks_like_none(
    kinesis: KinesisDouble, clock: ManualClock, fault: Refuse | Reset | Stall
) -> None:
    client = client_of(kinesis, clock, read_seconds=0.2)
    kinesis.faults.script("PutRecords", fault)
    with pytest.raises(errors.KinesisUnavailable):
        client.put_records("events", ONE)
    assert len(kinesis.records()) == 1


def test_half_an_answer_is_no_answer(
    client: KinesisClient, kinesis: KinesisDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = kinesis.api.answer
    monkeypatch.setattr(kinesis.api, "answer", lambda *asked: whole(*asked)[:-20])
    with pytest.raises(errors.KinesisUnavailable, match="cannot be read"):
        client.describe_stream_summary("events")
    monkeypatch.setattr(kinesis.api, "answer", lambda *_: b'{"Records":[]}')
    with pytest.raises(errors.KinesisUnavailable, match="0 results for 1"):
        client.put_records("events", ONE)


def test_a_service_that_is_down_and_up_again(client: KinesisClient, kinesis: KinesisDouble) -> None:
    client.put_records("events", ONE)
    kinesis.down()
    with pytest.raises(errors.KinesisUnavailable):
        client.put_records("events", ONE)
    kinesis.up()
    client.put_records("events", ONE)
    assert len(kinesis.records()) == 2


def test_a_clock_that_is_an_hour_off_is_set_right_by_the_service(kinesis: KinesisDouble) -> None:
    kinesis.check_signature_time = True
    ours = ManualClock(START - timedelta(hours=1))
    client = client_of(kinesis, ours)
    client.put_records("events", ONE)
    client.put_records("events", ONE)
    assert kinesis.calls == ["PutRecords", "PutRecords", "PutRecords"], "corrected once, for good"
    ours.advance(7200)
    client.put_records("events", ONE)
    assert len(kinesis.records()) == 3


def test_a_wrong_secret_is_refused_without_a_second_try(
    client: KinesisClient, kinesis: KinesisDouble
) -> None:
    kinesis.faults.always("PutRecords", Refuse("InvalidSignatureException", 400))
    with pytest.raises(errors.KinesisRefused):
        client.put_records("events", ONE)
    assert kinesis.calls == ["PutRecords"]


def test_keys_are_asked_for_at_each_call(kinesis: KinesisDouble, clock: ManualClock) -> None:
    asked: list[str | None] = []

    def keys() -> Keys:
        asked.append(None)
        return Keys("AKID", "secret", f"token {len(asked)}")

    client = KinesisClient(Endpoint(kinesis.url, "eu-west-1", keys), clock)
    client.put_records("events", ONE)
    client.put_records("events", ONE)
    assert len(asked) == 2


def test_threads_share_a_client(client: KinesisClient, kinesis: KinesisDouble) -> None:
    barrier = threading.Barrier(8)

    def put(n: int) -> None:
        barrier.wait()
        for m in range(20):
            client.put_records("events", [PutEntry(b"%d %d" % (n, m), "k")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(8)))
    assert len({record.data for record in kinesis.records()}) == 160


def test_without_a_date_a_read_tells_nothing_about_how_far_it_came(
    client: KinesisClient, kinesis: KinesisDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = kinesis._http
    monkeypatch.setattr(kinesis, "_http", lambda *asked: whole(*asked).replace(b"Date:", b"X-Not-Date:"))
    iterator = client.get_shard_iterator("events", FIRST, "LATEST")
    with pytest.raises(errors.KinesisUnavailable, match="Date"):
        client.get_records(iterator)


def test_the_creation_time_is_a_time_in_utc(client: KinesisClient) -> None:
    assert client.describe_stream_summary("events").created_at == datetime(2026, 11, 21, 12, tzinfo=UTC)
