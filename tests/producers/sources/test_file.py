import gzip
import os
from pathlib import Path

import pytest

from headrace.errors import SourceUnreadable
from producers.quarantine import Quarantine
from producers.reading.source import Source
from producers.sources.file import FileSource, FollowSource
from tests.doubles.clock import ManualClock


class Positions(dict[str, str]):
    """What the spool would hand back at the next start."""

    def take(self, source: Source, reads: int = 20) -> list[bytes]:
        lines: list[bytes] = []
        for _ in range(reads):
            chunk = source.read()
            if chunk is None:
                break
            for line, place in zip(chunk.lines, chunk.places, strict=True):
                assert isinstance(line, bytes)
                lines.append(line)
                self[chunk.input] = place.decode()
        return lines


@pytest.fixture
def positions() -> Positions:
    return Positions()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntwo\n")
    return path


def replay(positions: Positions, *paths: Path) -> list[bytes]:
    source = FileSource(paths, positions, Quarantine(paths[0].parent / "quarantine"))
    lines = positions.take(source)
    assert source.read() is None
    source.close()
    return lines


def follow(positions: Positions, clock: ManualClock, *paths: Path) -> FollowSource:
    return FollowSource(paths, positions, Quarantine(paths[0].parent / "quarantine"), clock.monotonic)


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def test_a_replay_ends_with_the_last_line_even_without_a_line_feed(log: Path, positions: Positions) -> None:
    append(log, b"three")
    assert replay(positions, log) == [b"one", b"two", b"three"]


def test_a_second_replay_gives_only_what_is_new(log: Path, positions: Positions) -> None:
    assert replay(positions, log) == [b"one", b"two"]
    assert replay(positions, log) == []
    append(log, b"three\n")
    assert replay(positions, log) == [b"three"]


def test_a_file_is_known_after_it_was_renamed(log: Path, positions: Positions) -> None:
    replay(positions, log)
    moved = log.rename(log.with_name("b.log"))
    assert replay(positions, moved) == []


def test_another_file_of_the_same_name_is_read_from_its_start(log: Path, positions: Positions) -> None:
    replay(positions, log)
    log.write_bytes(b"uno\ndos\n")
    assert replay(positions, log) == [b"uno", b"dos"]


def test_the_same_path_twice_is_read_once(log: Path, positions: Positions) -> None:
    assert replay(positions, log, log) == [b"one", b"two"]


@pytest.mark.parametrize("name", ["a.log.gz", "a.log"])
def test_gzip_is_known_by_its_bytes_and_resumed(tmp_path: Path, positions: Positions, name: str) -> None:
    lines = [b"line %d" % n for n in range(100_000)]
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    source = FileSource([path], positions, Quarantine(tmp_path))
    first = positions.take(source, reads=2)
    source.close()
    assert 0 < len(first) < len(lines)
    assert first + replay(positions, path) == lines


def test_following_waits_for_the_end_of_a_line(log: Path, positions: Positions, clock: ManualClock) -> None:
    source = follow(positions, clock, log)
    append(log, b"thr")
    assert positions.take(source) == [b"one", b"two"]
    append(log, b"ee\nfour\n")
    assert positions.take(source) == [b"three", b"four"]
    source.close()


def test_rotation_by_rename_reads_the_old_file_to_its_end_and_then_the_new(
    log: Path, positions: Positions, clock: ManualClock
) -> None:
    source = follow(positions, clock, log)
    append(log, b"par")
    lines = positions.take(source)
    old = log.rename(log.with_name("a.log.1"))
    lines += positions.take(source)
    log.write_bytes(b"new 1\n")
    lines += positions.take(source)
    append(old, b"tial\nlate")  # the server has not opened the new file yet
    lines += positions.take(source)
    clock.advance(1.1)
    lines += positions.take(source)
    append(log, b"new 2\n")
    lines += positions.take(source)
    assert lines == [b"one", b"two", b"partial", b"late", b"new 1", b"new 2"]
    source.close()


def test_truncation_starts_the_file_again(log: Path, positions: Positions, clock: ManualClock) -> None:
    source = follow(positions, clock, log)
    lines = positions.take(source)
    os.truncate(log, 0)
    lines += positions.take(source)
    append(log, b"uno\n")
    lines += positions.take(source)
    append(log, b"dos, and longer than what was there before\n")
    lines += positions.take(source)
    assert lines == [b"one", b"two", b"uno", b"dos, and longer than what was there before"]
    source.close()


def test_a_file_that_was_rotated_while_nobody_read_is_read_to_its_end_first(
    log: Path, positions: Positions, clock: ManualClock
) -> None:
    source = follow(positions, clock, log)
    positions.take(source)
    source.close()
    append(log, b"three\n")
    log.rename(log.with_name("a.log.1"))
    log.write_bytes(b"new 1\n")
    (log.parent / "a.log.2").write_bytes(b"never asked for\n")
    source = follow(positions, clock, log)
    assert positions.take(source) == [b"three", b"new 1"]
    source.close()


def test_several_files_are_followed_in_turn(
    tmp_path: Path, log: Path, positions: Positions, clock: ManualClock
) -> None:
    other = tmp_path / "b.log"
    other.write_bytes(b"")
    source = follow(positions, clock, log, other)
    assert positions.take(source) == [b"one", b"two"]
    append(other, b"b1\n")
    append(log, b"a3\n")
    assert sorted(positions.take(source)) == [b"a3", b"b1"]
    source.close()


def test_a_file_that_is_missing_or_a_folder_is_named_at_once(tmp_path: Path, log: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"none\.log"):
        FileSource([log, tmp_path / "none.log"], {}, Quarantine(tmp_path))
    with pytest.raises(SourceUnreadable, match="directory"):
        FileSource([tmp_path], {}, Quarantine(tmp_path))
