"""Zips that are broken, locked, or made to do harm."""

import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_jobs.ingest import ingest
from batch_jobs.storage import Storage
from headrace.errors import InputRefused
from tests.batch_jobs.ingest.loan_text import originations, zipped
from tests.doubles.clock import ManualClock

GOOD = {"orig_2005Q1.txt": originations(40)}
INNER = {"historical_data_2005Q1.zip": zipped(GOOD)}


def refusal(folder: Path, data: bytes) -> str:
    path = folder / "given.zip"
    path.write_bytes(data)
    storage = Storage(str(folder / "root"), {})
    with pytest.raises(InputRefused) as caught:
        ingest([path], storage, ManualClock(), scratch=folder)
    assert [found for found in (folder / "root").rglob("*") if found.is_file()] == []
    return str(caught.value)


def flagged(data: bytes, flag: int) -> bytes:
    """The zip with a flag of its only member set, in both of its headers."""
    changed = bytearray(data)
    changed[6] |= flag
    changed[data.index(b"PK\x01\x02") + 8] |= flag
    return bytes(changed)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    assert "given.zip > orig_2005Q1.txt is encrypted: unpack it" in refusal(
        tmp_path, flagged(zipped(GOOD), 1)
    )


def test_a_method_that_python_does_not_read_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped(GOOD))
    data[8] = data[data.index(b"PK\x01\x02") + 10] = 9  # deflate64, which Windows takes for large files
    assert "packed by method 9; only deflate is read" in refusal(tmp_path, bytes(data))
    assert "packed by method 14" in refusal(tmp_path, zipped(GOOD, zipfile.ZIP_LZMA))


@pytest.mark.parametrize("place", [60, 100])
def test_a_damaged_member_is_refused_and_leaves_nothing(tmp_path: Path, place: int) -> None:
    data = bytearray(zipped(GOOD))
    data[place] ^= 0xFF
    assert "given.zip > orig_2005Q1.txt is damaged" in refusal(tmp_path, bytes(data))


def test_a_directory_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    newer, no_text = bytearray(zipped(GOOD)), bytearray(zipped(GOOD))
    newer[newer.index(b"PK\x01\x02") + 6] = 99  # the version of the format
    at = no_text.index(b"PK\x01\x02")
    no_text[at + 9], no_text[at + 46] = 0x08, 0xFF  # the name is UTF-8, it says, and is not
    for data in (newer, no_text):
        assert "given.zip is damaged, or no zip" in refusal(tmp_path, bytes(data))


def test_a_zip_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    data = zipped(INNER)
    assert "given.zip is damaged, or no zip" in refusal(tmp_path, data[: len(data) // 2])


def test_a_damaged_zip_within_a_zip_is_named(tmp_path: Path) -> None:
    cut = {name: data[:-30] for name, data in INNER.items()}
    assert "given.zip > historical_data_2005Q1.zip is damaged" in refusal(tmp_path, zipped(cut))


def test_a_zip_without_loan_files_is_refused_by_what_is_read(tmp_path: Path) -> None:
    words = refusal(tmp_path, zipped({"readme.txt": b"", "__MACOSX/._orig_2005Q1.zip": b"no zip"}))
    assert "holds none; read are orig_YYYYQn.txt" in words


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("orig_2005Q1.txt", "w") as out,
    ):
        for _ in range(65):
            out.write(b"\n" * (1 << 20))
    assert "would unpack to over 200 times" in refusal(tmp_path, path.read_bytes())
    assert "would unpack to over 200 times" in refusal(tmp_path, zipped({"a.zip": path.read_bytes()}))


def test_a_member_that_says_less_than_it_holds_is_damaged(tmp_path: Path) -> None:
    data = bytearray(zipped(GOOD))
    size = data.index(b"PK\x01\x02") + 24
    data[size : size + 4] = (40).to_bytes(4, "little")
    assert "is damaged" in refusal(tmp_path, bytes(data))


def test_a_member_that_says_more_than_it_holds_is_damaged(tmp_path: Path) -> None:
    data = bytearray(zipped(GOOD, zipfile.ZIP_STORED))
    sizes = data.index(b"PK\x01\x02") + 20
    data[sizes : sizes + 8] = (1 << 20).to_bytes(4, "little") * 2
    assert "given.zip > orig_2005Q1.txt is damaged" in refusal(tmp_path, bytes(data))


def test_zips_in_zips_have_an_end(tmp_path: Path) -> None:
    data = zipped(GOOD)
    for _ in range(4):
        data = zipped({"historical_data_2005.zip": data})
    assert "deeper than 4" in refusal(tmp_path, data)


@pytest.mark.parametrize("name", ["../../orig_2005Q1.txt", "/etc/orig_2005Q1.txt", "..\\orig_2005Q1.txt"])
def test_a_member_cannot_choose_where_its_text_goes(tmp_path: Path, name: str, clock: ManualClock) -> None:
    path = tmp_path / "a" / "b" / "given.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(zipped({name: originations()}))
    (taken,) = ingest([path], Storage(str(tmp_path / "a" / "b" / "root"), {}), clock)
    assert taken.input.name == "orig_2005Q1.txt"
    texts = list(tmp_path.rglob("*.txt"))
    assert texts == [tmp_path / "a" / "b" / "root" / taken.input.path]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    nested=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(1, 255)), min_size=1, max_size=3),
)
def test_changed_bytes_are_refused_or_did_not_matter(
    tmp_path_factory: pytest.TempPathFactory, nested: bool, changes: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    data = bytearray(
        zipped(INNER if nested else GOOD, zipfile.ZIP_STORED if nested else zipfile.ZIP_DEFLATED)
    )
    for place, change in changes:
        data[place % len(data)] ^= change
    path = folder / "given.zip"
    path.write_bytes(data)
    storage = Storage(str(folder / "root"), {})
    try:
        taken = ingest([path], storage, ManualClock(), scratch=folder)
    except InputRefused:
        taken = []
    assert [storage.read(one.input.path) for one in taken] in ([], [GOOD["orig_2005Q1.txt"]])
