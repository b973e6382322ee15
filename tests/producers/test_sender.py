"""The sender, step by step on a clock that we move."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.errors import SpoolFull
from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint
from headrace.kinesis.signature import Keys
from headrace.schemas.partition_keys import key_reader
from producers.line_format import choose
from producers.outlet import Outlet
from producers.quarantine import Kept, Quarantine
from producers.sender import Sender
from producers.spool.spool import Spool
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import Refuse
from tests.producers.received import Received, access_lines, receive
from tests.producers.spool.spools import fill, open_spool


@pytest.fixture
def kinesis(clock: ManualClock) -> Iterator[KinesisDouble]:
    with KinesisDouble(clock) as double:
        double.create_stream("events", shards=2)
        yield double


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = open_spool(tmp_path / "spool")
    yield spool
    spool.close()


@pytest.fixture
def sender(kinesis: KinesisDouble, clock: ManualClock, spool: Spool) -> Iterator[Sender]:
    endpoint = Endpoint(kinesis.url, "eu-west-1", lambda: Keys("AKID", "secret"))
    client = KinesisClient(endpoint, clock, connect_seconds=2, read_seconds=2)
    outlet = Outlet(client, "events", clock, lambda: 0.5, keyed=False)
    sender = Sender(spool, outlet, key_reader("web_access.v1"), clock, status_seconds=2.0)
    yield sender
    sender.close()
    client.close()


def sealed(spool: Spool, count: int) -> list[bytes]:
    """Records for the next numbers of the open life."""

    life, seal = spool.life(), choose("access-log", None, None).sealer()
    records = [seal(line, life.source, life.next_number + n) for n, line in enumerate(access_lines(count))]
    return [record for record in records if isinstance(record, bytes)]


def run(sender: Sender, clock: ManualClock, seconds: float) -> None:
    """Time passes only while nothing is under way."""
    until = clock.monotonic() + seconds
    while clock.monotonic() < until:
        pause = sender.step()
        if sender._outlet.in_flight:
            sender.wait(5.0)
        else:
            clock.advance(pause)


def statuses(received: Received, source: str) -> list[tuple[int, int, bool]]:
    return [(status.spooled, status.acknowledged, status.closed) for status in received.statuses[source]]


def test_a_status_goes_out_every_two_seconds_even_when_nothing_happens(
    sender: Sender, clock: ManualClock, spool: Spool, kinesis: KinesisDouble
) -> None:
    fill(spool.life(), *sealed(spool, 5))
    run(sender, clock, 8.5)
    said = statuses(receive(kinesis), spool.life().source)
    assert 4 <= len(said) <= 5
    assert said[-1] == (5, 5, False)


def test_a_few_records_do_not_wait_longer_than_the_linger(
    sender: Sender, clock: ManualClock, spool: Spool, kinesis: KinesisDouble
) -> None:
    fill(spool.life(), *sealed(spool, 5))
    run(sender, clock, 0.3)
    assert len(receive(kinesis).events) == 5
    assert spool.life().acknowledged == 5


def test_what_is_not_committed_is_not_sent(
    sender: Sender, clock: ManualClock, spool: Spool, kinesis: KinesisDouble
) -> None:
    records = sealed(spool, 5)
    spool.life().append("in", [b"%d" % n for n in range(5)], records)
    run(sender, clock, 3.0)
    assert kinesis.records() == []
    spool.life().commit()
    run(sender, clock, 0.5)
    assert len(receive(kinesis).events) == 5


def test_a_closed_life_is_reported_until_kinesis_has_it_and_then_the_next_one_is_sent(
    sender: Sender, clock: ManualClock, spool: Spool, kinesis: KinesisDouble
) -> None:
    first = spool.life()
    fill(first, *sealed(spool, 5))
    run(sender, clock, 0.5)
    first.close("the test")
    kinesis.faults.script("PutRecords", *[Refuse(status=503)] * 3)
    fill(spool.life(), *sealed(spool, 2))
    run(sender, clock, 5.0)
    received = receive(kinesis)
    assert statuses(received, first.source)[-1] == (5, 5, True)
    assert [closed for _, _, closed in statuses(received, first.source)].count(True) == 1
    assert received.numbers(spool.life().source) == [1, 2]
    assert not first.directory.exists()


def test_what_is_under_way_when_the_sender_ends_is_acknowledged(
    sender: Sender, clock: ManualClock, spool: Spool, kinesis: KinesisDouble
) -> None:
    fill(spool.life(), *sealed(spool, 5))
    sender.step()
    clock.advance(1.0)
    with kinesis.paused():
        sender.step()
        assert spool.life().acknowledged == 0
    sender.close()
    assert spool.life().acknowledged == 5


def test_what_no_longer_fits_the_stream_goes_to_quarantine_and_a_reject_in_its_place(
    sender: Sender, clock: ManualClock, spool: Spool, kinesis: KinesisDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, larger, last = sealed(spool, 3)
    larger = larger.replace(b'"data":{', b'"data":{' + b" " * (2 << 20))
    fill(spool.life(), small, larger, last)
    refusals = iter([SpoolFull("no room"), SpoolFull("no room")])
    keep = Quarantine.keep

    def once_there_is_room(quarantine: Quarantine, line: bytes) -> Kept:
        for refusal in refusals:
            raise refusal
        return keep(quarantine, line)

    monkeypatch.setattr(Quarantine, "keep", once_there_is_room)
    for _ in range(2):
        with pytest.raises(SpoolFull):
            run(sender, clock, 1.0)
    run(sender, clock, 1.0)
    received = receive(kinesis)
    assert received.numbers(spool.life().source) == [1, 2, 3]
    reject = received.rejects[2]
    assert (reject.code, reject.raw_length) == ("too_large", len(larger))
    assert Path(reject.raw_place or "").read_bytes() == larger
    assert spool.life().acknowledged == 3
