"""What a sender gets is the same, wherever it comes from."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.spool.cursor import Cursor
from producers.spool.entry import Run
from producers.spool.fresh import Fresh
from tests.producers.spool.spools import OpenSpool, fill, open_spool


def run(first: int, count: int) -> Run:
    return Run(first, [b""] * count, [b"%d" % (first + n) for n in range(count)])


def test_a_run_is_taken_from_the_number_on_and_what_is_before_is_let_go_of() -> None:
    fresh = Fresh(100)
    for first in (1, 4, 7):
        fresh.put(run(first, 3), 10)
    assert fresh.take(5) == run(5, 2)
    assert fresh.take(5) is None, "it is taken"
    assert fresh.take(7) == run(7, 3)


def test_what_is_ahead_of_the_number_stays() -> None:
    fresh = Fresh(100)
    fresh.put(run(4, 3), 10)
    assert fresh.take(3) is None
    assert fresh.take(4) == run(4, 3)


def test_no_more_is_kept_than_allowed_and_what_is_taken_makes_room() -> None:
    fresh = Fresh(20)
    for first in (1, 2, 3):
        fresh.put(run(first, 1), 10)
    assert fresh.take(1) == run(1, 1)
    fresh.put(run(4, 1), 10)
    assert fresh.take(2) == run(2, 1)
    assert fresh.take(3) is None, "there was no room"
    assert fresh.take(4) == run(4, 1)


@settings(max_examples=60)
@given(st.lists(st.integers(-3, 9), max_size=40), st.integers(0, 900))
def test_every_number_comes_once_and_in_order_from_memory_or_from_the_disk(
    steps: list[int], limit: int
) -> None:
    """A positive step commits so many entries, any other takes what comes next."""
    with TemporaryDirectory() as directory:
        spool = open_spool(Path(directory) / "spool", segment_bytes=700)
        life = spool.life()
        life.fresh = Fresh(limit)
        cursor, seen = Cursor(life, 0, life.fresh), []
        for step in steps:
            if step > 0:
                number = life.next_number
                fill(life, *[b"record %d" % n for n in range(number, number + step)], start=number - 1)
            else:
                seen += cursor.take()
                life.acknowledge(len(seen))
        while some := cursor.take():
            seen += some
        assert seen == [(n, b"in\t%d" % n, b"record %d" % n) for n in range(1, life.next_number)]
        cursor.close()
        spool.close()


def test_a_sender_that_keeps_pace_reads_nothing_back(
    reopen: OpenSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = reopen().life()
    monkeypatch.delattr("producers.spool.cursor.os.pread")
    cursor = Cursor(life, 0, life.fresh)
    for n in range(5):
        fill(life, b"x", start=n)
        assert [entry.number for entry in cursor.take()] == [n + 1]


def test_what_is_not_on_disk_yet_is_not_taken(reopen: OpenSpool) -> None:
    life = reopen().life()
    life.append("in", [b"1"], [b"a"])
    cursor = Cursor(life, 0, life.fresh)
    assert cursor.take() == []
    life.commit()
    assert [entry.number for entry in cursor.take()] == [1]
