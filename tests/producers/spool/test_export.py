"""The records of a spool in an operator's hands: all of them, in order, as they would be sent."""

import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headrace.errors import SettingsError
from producers.quarantine import Quarantine
from producers.spool.export import Exported, Wanted, as_ndjson, as_raw, export
from producers.spool.pruning import prunable
from tests.producers.spool.spools import fill, open_spool

RECORDS = [b'{"n": %d}' % n for n in range(1, 31)]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Two lives: 30 records of which 4 are acknowledged, then 2."""
    opened = open_spool(tmp_path / "spool", segment_bytes=600)
    for start in range(0, 30, 3):
        fill(opened.life(), *RECORDS[start : start + 3], start=start)
    opened.life().acknowledge(4)
    opened.life().close("the test")
    fill(opened.life(), b"{}", b"[\n1,\r\n2]")
    opened.close()
    return tmp_path / "spool"


def numbers(spool: Path, wanted: Wanted) -> list[tuple[str, int]]:
    return [(exported.source[-1], exported.number) for exported in export(spool, wanted)]


def test_what_waits_is_given_life_by_life_in_order(spool: Path) -> None:
    exported = list(export(spool, Wanted()))
    assert [each.record for each in exported] == [*RECORDS[4:], b"{}", b"[\n1,\r\n2]"]
    assert {each.source for each in exported} == {f"web-7/{n:026d}" for n in (1, 2)}


def test_all_that_is_on_disk_is_given_when_asked_for(spool: Path) -> None:
    found = numbers(spool, Wanted(waiting=False))
    assert found == [("1", n) for n in range(1, 31)] + [("2", 1), ("2", 2)]


def test_a_life_and_a_range_of_numbers_can_be_chosen(spool: Path) -> None:
    assert numbers(spool, Wanted(life=f"{1:026d}", first=10, last=12)) == [("1", 10), ("1", 11), ("1", 12)]
    assert numbers(spool, Wanted(first=3, last=5)) == [("1", 5)]
    with pytest.raises(SettingsError, match="no life 7"):
        list(export(spool, Wanted(life="7")))


def test_what_is_damaged_is_given_as_what_is_left_of_it(spool: Path) -> None:
    for segment in spool.glob("*/*.segment"):
        segment.write_bytes(segment.read_bytes().replace(b'{"n": 8}', b'{"n": B}'))
    damaged = [each for each in export(spool, Wanted()) if not each.whole]
    assert [each.number for each in damaged] == [8]
    assert b'{"n": B}' in damaged[0].record
    assert len(list(export(spool, Wanted()))) == 28


def test_a_record_is_one_line_of_json_whatever_its_white_space() -> None:
    out = io.BytesIO()
    assert as_ndjson(out, Exported("s", 1, b'{"a":\r\n[1,\n2]}', whole=True))
    assert not as_ndjson(out, Exported("s", 2, b"left", whole=False))
    assert out.getvalue() == b'{"a":  [1, 2]}\n'


def test_raw_has_every_byte_and_says_how_many() -> None:
    out = io.BytesIO()
    assert as_raw(out, Exported("web/1", 1, b"{\n}", whole=True))
    assert not as_raw(out, Exported("web/1", 2, b"\0\xff", whole=False))
    assert out.getvalue() == b"web/1 1 whole 3\n{\n}\nweb/1 2 damaged 2\n\0\xff\n"


def test_only_old_files_that_no_waiting_record_names_may_be_deleted(tmp_path: Path) -> None:
    opened = open_spool(tmp_path / "spool")
    quarantine = Quarantine(opened.quarantine)
    sent, waits, young = (Path(quarantine.keep(text).place) for text in (b"sent", b"waits", b"young"))
    fill(opened.life(), *(b'{"raw_place":"%s"}' % str(path).encode() for path in (sent, waits, young)))
    opened.life().acknowledge(1)
    for path in (sent, waits):
        os.utime(path, (0, 0))
    month_ago = datetime.now(UTC) - timedelta(days=30)
    assert list(prunable(tmp_path / "spool", before=month_ago)) == [sent]
    opened.life().acknowledge(3)
    assert set(prunable(tmp_path / "spool", before=month_ago)) == {sent, waits}
    opened.close()
