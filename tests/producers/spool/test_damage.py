"""A life through cuts, flipped bytes, lost files and copies."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.spool.entry import Damaged, Entry
from tests.producers.spool.spools import copy_in_place, fill, open_spool, read_all

RECORDS = [b"record %d " % n * (n % 3 + 1) for n in range(1, 31)]


def segments_of(spool: Path) -> list[Path]:
    return sorted(spool.glob("*/*.segment"))


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


@settings(max_examples=150)
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


@settings(max_examples=100)
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


@settings(max_examples=100)
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


@settings(max_examples=80)
@given(data=st.data(), name=st.sampled_from(["life.json", "mark"]))
def test_a_flipped_byte_of_a_small_file_loses_no_entry_and_uses_no_number_twice(
    written: Path, data: st.DataObject, name: str
) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "spool"
        copy_in_place(written, path)
        victim = next(path.glob(f"*/{name}"))
        content = bytearray(victim.read_bytes())
        at = data.draw(st.integers(0, 1 << 14)) % len(content)  # the inode in it has more or fewer digits
        content[at] ^= data.draw(st.integers(1, 255))
        victim.write_bytes(bytes(content))
        spool = open_spool(path)
        life = spool.lives[0]
        assert life.source == f"web-7/{1:026d}"
        assert life.acknowledged <= 4
        assert all(isinstance(item, Entry) for item in read_all(life, after=4))
        assert spool.life().next_number == (31 if life.is_open else 1)
        spool.close()


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


def test_a_copied_spool_gets_a_new_source(written: Path, tmp_path: Path) -> None:
    shutil.copytree(written, tmp_path / "copy")
    spool = open_spool(tmp_path / "copy")
    assert not spool.lives[0].is_open
    spool.close()
