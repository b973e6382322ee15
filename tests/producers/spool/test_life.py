"""A life through kills, cuts and flipped bytes."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import SpoolFull, SpoolUnusable
from producers.spool.cursor import Cursor
from producers.spool.entry import Damaged, Entry
from tests.producers.spool.spools import OpenSpool, copy_in_place, fill, open_spool, read_all

RECORDS = [b"record %d " % n * (n % 3 + 1) for n in range(1, 31)]


@pytest.fixture(scope="module")
def written() -> Iterator[Path]:
    """A spool of 30 committed entries in several segments, 4 of them acknowledged, left by a kill."""
    with TemporaryDirectory() as directory:
        spool = open_spool(Path(directory) / "spool", segment_bytes=600)
        for start in range(0, 30, 3):
            fill(spool.life(), *RECORDS[start : start + 3], start=start)
        spool.life().acknowledge(4)
        spool.close()
        yield Path(directory) / "spool"


def segments_of(spool: Path) -> list[Path]:
    return sorted(spool.glob("*/*.segment"))


def test_entries_come_back_in_order_with_their_places(reopen: OpenSpool) -> None:
    fill(reopen().life(), b"a", b"b", b"c")
    spool = reopen()
    assert read_all(spool.life()) == [
        Entry(1, b"in\t1", b"a"),
        Entry(2, b"in\t2", b"b"),
        Entry(3, b"in\t3", b"c"),
    ]
    assert spool.positions == {"in": "3"}
    assert spool.life().next_number == 4


def test_what_was_not_committed_was_never_there(reopen: OpenSpool) -> None:
    life = reopen().life()
    fill(life, b"a")
    life.append("in", [b"2"], [b"b"])
    assert read_all(life) == [Entry(1, b"in\t1", b"a")]
    assert reopen().life().next_number == 2


def test_acknowledged_segments_are_deleted_and_the_place_is_kept(reopen: OpenSpool) -> None:
    spool = reopen(segment_bytes=100)
    for n in range(10):
        fill(spool.life(), b"x" * 100, start=n)
    before = spool.budget.taken
    spool.life().acknowledge(10)
    assert len(spool.life().extent.segments) == 1
    assert spool.budget.taken < before / 5
    spool = reopen()
    assert (spool.life().acknowledged, spool.life().next_number, spool.positions) == (10, 11, {"in": "10"})


def test_a_reader_goes_on_while_the_writer_appends(reopen: OpenSpool) -> None:

    life = reopen(segment_bytes=300).life()
    cursor, seen = Cursor(life, 0), []
    for n in range(20):
        fill(life, b"x" * 50, start=n)
        seen += cursor.take()
        if n == 10:
            life.acknowledge(5)
    assert [entry.number for entry in seen] == list(range(1, 21))
    assert cursor.take() == []
    cursor.close()


def test_an_entry_larger_than_a_block_is_read(reopen: OpenSpool) -> None:
    life = reopen().life()
    fill(life, b"a", b"x" * 700_000, b"b")
    assert [len(entry.record) for entry in read_all(life) if isinstance(entry, Entry)] == [1, 700_000, 1]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_flipped_byte_of_a_segment_costs_at_most_one_entry(written: Path, data: st.DataObject) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "spool"
        copy_in_place(written, path)
        segment = data.draw(st.sampled_from(segments_of(path)))
        content = bytearray(segment.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        segment.write_bytes(bytes(content))
        spool = open_spool(path)
        life = spool.lives[0]
        items = read_all(life, after=life.acknowledged)
        assert [item.number for item in items] == list(range(5, 31))
        damaged = [item for item in items if isinstance(item, Damaged)]
        assert len(damaged) <= 1
        assert all(item.record == RECORDS[item.number - 1] for item in items if isinstance(item, Entry))
        if damaged and damaged[0].number == 30:
            assert not life.is_open
        assert spool.life().next_number == (31 if life.is_open else 1)
        assert spool.positions == {"in": "30"}
        spool.close()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_last_segment_cut_at_any_byte_uses_no_number_twice(written: Path, data: st.DataObject) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "spool"
        copy_in_place(written, path)
        segment = segments_of(path)[-1]
        size = data.draw(st.integers(0, segment.stat().st_size - 1))
        os.truncate(segment, size)
        spool = open_spool(path)
        life = spool.lives[0]
        assert not life.is_open  # the mark knows that 30 entries were on disk, and they may have been sent
        assert [item.number for item in read_all(life, after=4)] == list(range(5, 31))
        assert spool.life().next_number == 1
        assert spool.life().source != life.source
        assert spool.positions == {"in": "30"}
        spool.close()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_kill_within_a_write_leaves_whole_entries_and_the_rest_is_cut(
    written: Path, data: st.DataObject
) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "spool"
        copy_in_place(written, path)
        segment = segments_of(path)[-1]
        before = segment.read_bytes()
        spool = open_spool(path)
        mark = next(path.glob("*/mark"))
        old_mark = mark.read_bytes()
        fill(spool.life(), b"new 31", b"new 32", start=30)
        spool.close()
        after = segment.read_bytes()
        segment.write_bytes(after[: data.draw(st.integers(len(before), len(after) - 1))])
        mark.write_bytes(old_mark)
        spool = open_spool(path)
        assert len(spool.lives) == 1
        life = spool.life()
        assert life.is_open
        assert life.next_number in {31, 32}
        fill(life, b"again", start=life.next_number - 1)
        assert read_all(life)[-1] == Entry(life.spooled, b"in\t%d" % life.spooled, b"again")
        spool.close()


@settings(max_examples=80, deadline=None)
@given(data=st.data(), name=st.sampled_from(["life.json", "mark"]))
def test_a_flipped_byte_of_a_small_file_loses_no_entry_and_uses_no_number_twice(
    written: Path, data: st.DataObject, name: str
) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "spool"
        copy_in_place(written, path)
        victim = next(path.glob(f"*/{name}"))
        content = bytearray(victim.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        victim.write_bytes(bytes(content))
        spool = open_spool(path)
        life = spool.lives[0]
        assert life.source == f"web-7/{1:026d}"
        assert life.acknowledged <= 4
        assert all(isinstance(item, Entry) for item in read_all(life, after=4))
        assert spool.life().next_number == (31 if life.is_open else 1)
        spool.close()


def test_nothing_of_an_entry_that_was_cut_is_left_behind_a_shorter_one(reopen: OpenSpool) -> None:
    life = reopen().life()
    fill(life, b"a")
    mark = (life.directory / "mark").read_bytes()
    fill(life, b"x" * 500)
    segment = life.extent.segments[0].path
    os.truncate(segment, segment.stat().st_size - 1)
    (life.directory / "mark").write_bytes(mark)
    fill(reopen().life(), b"short")
    spool = reopen()
    assert (len(spool.lives), spool.life().is_open) == (1, True)
    assert read_all(spool.life())[1:] == [Entry(2, b"in\t1", b"short")]


def test_a_segment_stays_until_all_of_it_is_acknowledged(reopen: OpenSpool) -> None:
    life = reopen(segment_bytes=100).life()
    for n in range(0, 30, 3):
        fill(life, b"x" * 40, b"y" * 40, b"z" * 40, start=n)
    for number in (4, 5, 11, 13):
        life.acknowledge(number)
        assert [item.number for item in read_all(life, after=number)] == list(range(number + 1, 31))
        assert all(isinstance(item, Entry) for item in read_all(life, after=number))
        assert life.extent.segments[0].first == number - (number - 1) % 3


def test_a_new_segment_knows_how_far_every_input_was_read_in_those_before(reopen: OpenSpool) -> None:
    life = reopen(segment_bytes=100).life()
    for n, name in enumerate(["a", "b", "a", "c"]):
        life.append(name, [b"%d" % n], [b"x" * 100])
        life.commit()
    life.acknowledge(4)
    assert len(life.extent.segments) == 1
    assert reopen().positions == {"a": "2", "b": "1", "c": "3"}


@pytest.mark.parametrize("name", ["life.json", "mark"])
def test_damaged_or_lost_small_files_lose_no_entry(written: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "spool"
    copy_in_place(written, path)
    victim = next(path.glob(f"*/{name}"))
    victim.write_bytes(b"\0" * 50)
    spool = open_spool(path)
    items = read_all(spool.lives[0], after=spool.lives[0].acknowledged)
    assert [item for item in items if not isinstance(item, Entry)] == []
    assert items[-1].number == 30
    assert spool.lives[0].source == f"web-7/{1:026d}"
    assert spool.lives[0].is_open == (name == "mark")
    spool.close()


def test_a_missing_segment_is_a_run_of_damaged_entries(written: Path, tmp_path: Path) -> None:
    path = tmp_path / "spool"
    copy_in_place(written, path)
    segments_of(path)[1].unlink()
    spool = open_spool(path)
    items = read_all(spool.lives[0], after=4)
    assert [item.number for item in items] == list(range(5, 31))
    assert 0 < sum(isinstance(item, Damaged) for item in items) < 20
    spool.close()


def test_a_spool_from_another_machine_is_sent_to_its_end_and_gets_no_new_number(reopen: OpenSpool) -> None:
    fill(reopen().life(), b"a", b"b")
    spool = reopen(machine="m2")
    assert (spool.lives[0].is_open, spool.lives[0].identity.closed) == (
        False,
        "found on another machine, or copied",
    )
    assert len(read_all(spool.lives[0])) == 2
    assert spool.life() is not spool.lives[0]
    assert spool.positions == {"in": "2"}


def test_a_copied_spool_gets_a_new_source(written: Path, tmp_path: Path) -> None:
    shutil.copytree(written, tmp_path / "copy")
    spool = open_spool(tmp_path / "copy")
    assert not spool.lives[0].is_open
    spool.close()


def test_the_budget_pauses_and_room_lets_the_same_entries_through(reopen: OpenSpool) -> None:
    spool = reopen(budget_bytes=2_000, segment_bytes=500)
    life = spool.life()
    for n in range(4):
        fill(life, b"x" * 300, start=n)
    life.append("in", [b"5"], [b"y" * 1_000])
    with pytest.raises(SpoolFull, match="paused"):
        life.commit()
    life.acknowledge(4)
    life.commit()
    assert read_all(life, after=4) == [Entry(5, b"in\t5", b"y" * 1_000)]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_full_disk_pauses_and_leaves_no_half_entry(
    reopen: OpenSpool, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    life = reopen().life()
    fill(life, b"a")
    real = os.pwrite

    def half(file: int, data: bytes, offset: int) -> int:
        if len(data) > 500:
            return real(file, data[:500], offset)
        raise OSError(code, os.strerror(code))

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    life.append("in", [b"2"], [b"b" * 600])
    with monkeypatch.context() as patch:
        patch.setattr(os, call, half if call == "pwrite" else fail)
        with pytest.raises(SpoolFull, match="no room"):
            life.commit()
    assert read_all(life) == [Entry(1, b"in\t1", b"a")]
    assert life.extent.segments[0].path.stat().st_size == life.extent.size
    life.commit()
    assert read_all(life)[1] == Entry(2, b"in\t2", b"b" * 600)
    assert [item.number for item in read_all(reopen().life())] == [1, 2]


def test_a_failing_disk_is_no_full_disk(reopen: OpenSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    life = reopen().life()
    life.append("in", [b"1"], [b"a"])

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(SpoolUnusable, match="Input/output error"):
        life.commit()
