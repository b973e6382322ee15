"""Records that bring their own numbers, on their way through intake, spool and sender."""

from datetime import UTC, datetime
from pathlib import Path

from headrace.schemas.codec import Event, decode, encode
from headrace.schemas.records.reject import Reject
from headrace.schemas.records.web_access import WebAccess
from producers.intake import Intake
from producers.passing import as_it_is, borne
from producers.quarantine import Quarantine
from producers.reading.source import Chunk
from producers.spool.cursor import Cursor
from producers.spool.entry import Entry
from tests.doubles.clock import ManualClock
from tests.producers.spool.spools import open_spool

TIME = datetime(2026, 1, 2, tzinfo=UTC)


def record(number: int, path: str) -> bytes:
    data = WebAccess(client_address=None, method="GET", path=path, status=200)
    return encode("till-4", number, TIME, data)


def test_a_record_says_whose_it_is() -> None:
    assert borne(record(7, "/")) == ("till-4", 7)


def test_one_that_is_too_large_is_rejected_under_the_number_that_it_bears(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    quarantine = Quarantine(spool.quarantine)
    intake = Intake(
        spool, as_it_is, quarantine, ManualClock(), None, largest=lambda: 500, name="", numbered=False
    )
    intake.take(Chunk("http", [record(41, "/a"), record(42, "/" * 400)], [b"", b""]))
    spool.life().commit()
    assert (intake.accepted, intake.rejected) == (1, 1)
    sent = [item.record for item in Cursor(spool.life(), 0).take() if isinstance(item, Entry)]
    small, large = (decode(raw) for raw in sent)
    assert isinstance(small, Event)
    assert isinstance(large, Event)
    assert (small.source, small.sequence) == ("till-4", "0000000000000041")
    assert (large.source, large.sequence) == ("till-4", "0000000000000042")
    assert isinstance(large.data, Reject)
    assert large.data.code == "too_large"
    spool.close()
