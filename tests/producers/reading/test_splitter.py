from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import SpoolFull
from headrace.schemas.codec import RejectCode, reject_id
from producers.quarantine import Draft, Kept, Quarantine
from producers.reading.splitter import LineSplitter, looks_binary

LIMIT = 10 << 20


def drain(splitter: LineSplitter) -> list[tuple[bytes | Kept, int]]:
    taken: list[tuple[bytes | Kept, int]] = []
    while splitter.is_ready:
        chunk = splitter.chunk("in")
        taken += zip(chunk.lines, map(int, chunk.places), strict=True)
    return taken


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"x", b"\n")), max_size=12), st.integers(0, 9))
def test_lines_and_offsets_are_those_of_the_whole_however_it_is_cut(pieces: list[bytes], start: int) -> None:
    splitter = LineSplitter(start, Quarantine(Path("/nowhere")))
    taken: list[tuple[bytes | Kept, int]] = []
    for piece in pieces:
        splitter.feed(piece)
        taken += drain(splitter)
    splitter.finish()
    taken += drain(splitter)
    whole = b"".join(pieces)
    lines = whole.split(b"\n")
    assert [line for line, _ in taken] == (lines if lines[-1] else lines[:-1])
    for line, offset in taken:
        end = offset - start
        assert isinstance(line, bytes)
        assert whole[:end].removesuffix(b"\n").endswith(line)
    assert not taken or taken[-1][1] == start + len(whole)


@pytest.mark.parametrize("length", [LIMIT, LIMIT + 1, 15_000_000])
@pytest.mark.parametrize("end", [b"\nafter\n", b""])
def test_only_a_line_over_the_limit_goes_to_quarantine(tmp_path: Path, length: int, end: bytes) -> None:
    splitter = LineSplitter(0, Quarantine(tmp_path))
    content = b"before\n" + b"y" * length + end
    for at in range(0, len(content), 1 << 18):
        splitter.feed(content[at : at + (1 << 18)])
    splitter.finish()
    (first, _), (long, offset), *rest = drain(splitter)
    assert (first, offset) == (b"before", 7 + length + (1 if end else 0))
    assert [line for line, _ in rest] == ([b"after"] if end else [])
    if length == LIMIT:
        assert long == b"y" * length
        return
    assert isinstance(long, Kept)
    assert Path(long.place).read_bytes() == b"y" * length
    assert long.reject_id == reject_id(b"y" * length, RejectCode.TOO_LARGE)
    assert (long.length, long.head) == (length, b"y" * (512 << 10))


def test_a_full_disk_holds_a_long_line_up_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splitter = LineSplitter(0, Quarantine(tmp_path))

    def full(*_: object) -> None:
        raise SpoolFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(Draft, "write", full)
        with pytest.raises(SpoolFull):
            splitter.feed(b"z" * (LIMIT + 5))
        assert splitter.blocked
    splitter.feed(b"")
    with monkeypatch.context() as patch:
        patch.setattr(Draft, "finish", full)
        with pytest.raises(SpoolFull):
            splitter.feed(b"zz\nnext\n")
        with pytest.raises(SpoolFull):
            splitter.feed(b"")
    splitter.feed(b"")
    (long, offset), (line, _) = drain(splitter)
    assert isinstance(long, Kept)
    assert Path(long.place).read_bytes() == b"z" * (LIMIT + 7)
    assert (offset, line) == (LIMIT + 8, b"next")


@pytest.mark.parametrize(
    ("head", "binary"),
    [
        (b"", False),
        (b"a log line with one \0 in it\n" * 10, False),
        ("Zürich\n".encode("latin-1") * 9, False),
        ("text".encode("utf-16"), True),
        (bytes(range(256)), True),
        (b"\x7fELF" + bytes(60), True),
    ],
)
def test_binary_is_told_from_text_with_a_blemish(head: bytes, binary: bool) -> None:
    assert looks_binary(head) is binary


@given(st.binary(max_size=300))
def test_a_line_kept_twice_is_kept_once(line: bytes) -> None:
    with TemporaryDirectory() as directory:
        quarantine = Quarantine(Path(directory))
        assert quarantine.keep(line) == quarantine.keep(line)
        assert len(list(Path(directory).iterdir())) == 1
