"""A life that is appended to, read, acknowledged, and short of room."""

import errno
import os

import pytest

from headrace.errors import SpoolFull, SpoolUnusable
from producers.spool.cursor import Cursor
from producers.spool.entry import Entry
from tests.producers.spool.spools import OpenSpool, fill, read_all


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


def test_killed_before_the_mark_and_again_at_the_next_start_the_place_is_that_of_the_last_entry(
    reopen: OpenSpool,
) -> None:
    life = reopen().life()
    fill(life, b"a", b"b")
    mark = life.directory / "mark"
    before = mark.read_bytes()
    fill(life, b"c", b"d", start=2)
    reopen()
    mark.write_bytes(before)  # the entries were on disk, and the mark was not
    for _ in range(3):
        spool = reopen()
        assert (spool.life().next_number, spool.positions) == (5, {"in": "4"})


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
