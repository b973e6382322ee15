"""What becomes of a line whose record is large."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.schemas.codec import Event, decode
from headrace.schemas.records.reject import Reject
from producers.intake import Intake
from producers.line_format import choose
from producers.quarantine import Quarantine
from producers.reading.source import Chunk
from producers.spool.entry import Entry
from producers.spool.spool import Spool
from tests.doubles.clock import ManualClock
from tests.producers.spool.spools import open_spool, read_all

PADDED = (
    b'{"time":"2026-11-21T12:00:00Z","data":{"client_address":"203.0.113.9","user":null,"method":"GET",'
    b'"path":"/a","query":null,"protocol":"HTTP/1.1",%b"status":200,"bytes":5,"referer":null,"user_agent":"c"}}'
)


def line(size: int) -> bytes:
    """A legal line of about so many bytes: JSON may hold any number of spaces."""
    return PADDED % (b" " * size)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = open_spool(tmp_path / "spool", budget_bytes=64 << 20)
    yield spool
    spool.close()


def test_how_large_a_record_may_be_follows_the_stream(spool: Spool, clock: ManualClock) -> None:
    allowed = 10 << 20
    seal = choose("ndjson", "web_access.v1", None).sealer()
    intake = Intake(
        spool, seal, Quarantine(spool.quarantine), clock, "web_access.v1", largest=lambda: allowed
    )
    intake.take(Chunk("in", [line(5 << 20)], [b"1"]))
    allowed = 1 << 20
    intake.take(Chunk("in", [line(5 << 20), line(1_000)], [b"2", b"3"]))
    spool.life().commit()
    entries = read_all(spool.life())
    first, second, third = (decode(entry.record) for entry in entries if isinstance(entry, Entry))
    assert isinstance(first, Event)
    assert isinstance(third, Event)
    assert isinstance(second, Event)
    assert isinstance(second.data, Reject)
    assert (second.data.code, second.sequence) == ("too_large", "0000000000000002")
    assert Path(second.data.raw_place or "").read_bytes() == line(5 << 20)
    assert (intake.accepted, intake.rejected) == (2, 1)


def test_a_record_that_a_small_spool_could_never_hold_is_too_large(
    tmp_path: Path, clock: ManualClock
) -> None:
    spool = open_spool(tmp_path / "spool", budget_bytes=8 << 20)
    seal = choose("ndjson", "web_access.v1", None).sealer()
    intake = Intake(spool, seal, Quarantine(spool.quarantine), clock, "web_access.v1")
    intake.take(Chunk("in", [line(3 << 20), line(1 << 20)], [b"1", b"2"]))
    spool.life().commit()
    assert (intake.accepted, intake.rejected) == (1, 1)
    spool.close()
