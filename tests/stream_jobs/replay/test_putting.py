"""Putting records: under which key, how often, and for how long."""

import random

import pytest

from headrace.errors import KinesisUnavailable
from headrace.kinesis.messages import PutEntry
from headrace.kinesis.port import Kinesis
from headrace.ops.shutdown import Shutdown
from headrace.schemas import registry
from headrace.schemas.partition_keys import key_reader
from headrace.schemas.record_type import RecordType
from headrace.schemas.records.web_access import WEB_ACCESS
from stream_jobs.replay import putting
from stream_jobs.replay.putting import MAX_REQUEST_BYTES, Putter, entry_of
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import FailRecords, Refuse, Reset
from tests.stream_jobs.replay.mill import access, spoiled


@pytest.fixture
def putter(client: Kinesis, clock: ManualClock) -> Putter:
    return Putter(client, clock, Shutdown(), dice=random.Random(7))


def entries(count: int) -> list[PutEntry]:
    return [PutEntry(b"%d" % number, str(number)) for number in range(count)]


def test_a_keyed_type_goes_by_its_field_as_it_does_from_a_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    keyed = RecordType(name="web_access.v1", data=WEB_ACCESS.data, description="", partition_key="path")
    monkeypatch.setitem(registry.RECORD_TYPES, "web_access.v1", keyed)
    monkeypatch.setattr(putting, "_keys_of", key_reader(None))
    assert entry_of(access(1, path="/a")).partition_key == "/a"
    assert entry_of(access(1, path=None)).partition_key == entry_of(access(1, path=None)).partition_key


def test_others_spread_by_their_number_whether_good_or_bad_or_nothing_known() -> None:
    raws = [access(1), access(2), access(1, "web-2/B"), spoiled(3), b"\xff", b""]
    found = [entry_of(raw) for raw in raws]
    assert len({entry.partition_key for entry in found}) == len(raws)
    assert [entry.data for entry in found] == raws
    assert entry_of(spoiled(1)).partition_key == entry_of(access(1)).partition_key


def test_every_entry_is_acknowledged_once_whatever_fails_in_between(
    putter: Putter, kinesis: KinesisDouble
) -> None:
    some = FailRecords(frozenset(range(0, 500, 3)))
    kinesis.faults.script("PutRecords", Refuse(), some, Reset(), FailRecords())
    assert sorted(putter.put("events", entries(1100))) == list(range(1100))
    assert len(kinesis.records()) == 1100


def test_a_request_holds_no_more_than_services_take(putter: Putter, kinesis: KinesisDouble) -> None:
    kinesis.requests = []
    large = [PutEntry(b"x" * (1 << 20), str(number)) for number in range(9)]
    large[3:3] = [PutEntry(b"y", "k")] * 3
    kinesis.stream().max_record_bytes = 2 << 20
    assert len(list(putter.put("events", large))) == len(large)
    bodies = [len(request.body) for request in kinesis.requests if b'"Records"' in request.body]
    assert len(bodies) > 2
    assert max(bodies) < MAX_REQUEST_BYTES * 4 / 3 + 10_000


def test_it_gives_up_only_when_nothing_at_all_is_taken_for_a_while(
    putter: Putter, kinesis: KinesisDouble, clock: ManualClock
) -> None:
    began = clock.monotonic()
    kinesis.faults.script("PutRecords", FailRecords(frozenset({1})))
    kinesis.faults.always("PutRecords", FailRecords())
    taken: list[int] = []
    with pytest.raises(KinesisUnavailable, match=r"nothing was taken for 120 s: .*ProvisionedThroughput"):
        taken.extend(putter.put("events", entries(2)))
    assert 120 <= clock.monotonic() - began < 130
    assert len(kinesis.records()) == 1


def test_a_stop_ends_a_pause(client: Kinesis, kinesis: KinesisDouble, clock: ManualClock) -> None:
    stop = Shutdown()
    putter = Putter(client, clock, stop)

    def refused_and_stopped() -> Refuse:
        stop.request("enough")
        return Refuse()

    kinesis.faults.follow("PutRecords", refused_and_stopped)
    assert list(putter.put("events", entries(1))) == []
    assert clock.monotonic() < 1
