"""Any damage to a spool is found, and told with the numbers that it costs."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.quarantine import Quarantine
from producers.spool.entry import encode
from producers.spool.segment import read_header
from producers.spool.verification import Finding, size, verify
from tests.producers.spool.spools import copy_in_place, fill, open_spool

RECORDS = [b"record %d " % n * (n % 3 + 1) for n in range(1, 31)]


@pytest.fixture(scope="module")
def written() -> Iterator[Path]:
    """30 entries in several segments, 4 of them acknowledged, and a line in quarantine."""
    with TemporaryDirectory() as directory:
        spool = open_spool(Path(directory) / "spool", segment_bytes=600)
        for start in range(0, 30, 3):
            fill(spool.life(), *RECORDS[start : start + 3], start=start)
        spool.life().acknowledge(4)
        Quarantine(spool.quarantine).keep(b"x" * 3_000_000)
        spool.close()
        yield Path(directory) / "spool"


@pytest.fixture
def spool(written: Path, tmp_path: Path) -> Path:
    copy_in_place(written, tmp_path / "spool")
    return tmp_path / "spool"


def segments_of(spool: Path) -> list[Path]:
    return sorted(spool.glob("*/*.segment"))


def damage(spool: Path) -> list[Finding]:
    return [finding for finding in verify(spool).findings if finding.damage]


def test_a_sound_spool_is_told_so_and_every_byte_was_read(spool: Path) -> None:
    walked: list[int] = []
    verification = verify(spool, walked.append)
    assert verification.is_sound
    assert verification.findings == []
    assert (verification.entries, sum(walked)) == (30, size(spool))


@settings(max_examples=150)
@given(data=st.data())
def test_any_flipped_byte_of_a_segment_is_found_and_costs_at_most_one_number(
    written: Path, data: st.DataObject
) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "spool"
        copy_in_place(written, path)
        segment = data.draw(st.sampled_from(segments_of(path)))
        content = bytearray(segment.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        segment.write_bytes(bytes(content))
        found = damage(path)
        assert found
        assert {finding.file for finding in found} <= {str(segment), *map(str, segments_of(path))}
        costs = {number for f in found if f.numbers for number in range(f.numbers[0], f.numbers[1] + 1)}
        assert len(costs) <= 1
        assert verify(path).entries == 30 - len(costs)


@settings(max_examples=60)
@given(data=st.data())
def test_a_segment_that_was_cut_is_found(written: Path, data: st.DataObject) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "spool"
        copy_in_place(written, path)
        segment = data.draw(st.sampled_from(segments_of(path)))
        content = segment.read_bytes()
        segment.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        assert damage(path)


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_segment_that_is_gone_is_found_with_its_numbers(spool: Path, which: int) -> None:
    kept = segments_of(spool)
    gone = kept.pop(which)
    first = int(gone.stem)
    following = next((int(path.stem) for path in kept if int(path.stem) > first), 31)
    gone.unlink()
    (finding,) = damage(spool)
    lost = finding.numbers
    assert lost == (max(first, 5), following - 1)  # up to 4 they are acknowledged


def test_an_incomplete_entry_at_the_end_is_told_and_no_damage(spool: Path) -> None:
    last = segments_of(spool)[-1]
    opened = read_header(last)
    assert opened is not None
    cut = b"".join(encode(opened[0].sync, 31, [b"in\t31"], [b"the last one"]))[:-3]
    last.write_bytes(last.read_bytes() + cut)
    verification = verify(spool)
    assert verification.is_sound
    assert ["incomplete" in finding.what for finding in verification.findings] == [True]


@pytest.mark.parametrize("name", ["life.json", "mark"])
def test_a_damaged_life_file_or_mark_is_found(spool: Path, name: str) -> None:
    (path,) = spool.glob(f"*/{name}")
    path.write_bytes(b"garbage" + path.read_bytes()[:10])
    assert str(path) in [finding.file for finding in damage(spool)]


def test_a_file_in_quarantine_that_has_changed_is_found(spool: Path) -> None:
    (path,) = (spool / "quarantine").glob("*.raw")
    path.write_bytes(path.read_bytes()[:-1])
    assert [finding.file for finding in damage(spool)] == [str(path)]


def test_a_segment_of_another_life_is_found(spool: Path, tmp_path: Path) -> None:
    other = open_spool(tmp_path / "other", name="api-1")
    fill(other.life(), *RECORDS[:4])
    other.close()
    segments_of(spool)[0].write_bytes(segments_of(tmp_path / "other")[0].read_bytes())
    assert "another life, api-1" in " ".join(finding.what for finding in damage(spool))


def test_what_a_producer_sends_and_deletes_meanwhile_is_no_damage(tmp_path: Path) -> None:
    opened = open_spool(tmp_path / "spool", segment_bytes=600)
    for start in range(0, 30, 3):
        fill(opened.life(), *RECORDS[start : start + 3], start=start)

    def send(_: int) -> None:
        opened.life().acknowledge(25)

    verification = verify(tmp_path / "spool", send)
    assert verification.findings == []
    assert 0 < verification.entries < 30
    opened.close()


def test_a_life_that_is_swept_meanwhile_is_no_damage(spool: Path) -> None:
    (life,) = spool.glob("0*")
    verification = verify(spool, lambda _: shutil.rmtree(life, ignore_errors=True))
    assert verification.findings == []
