import gzip
from pathlib import Path

import pytest

from headrace.errors import SourceUnreadable
from producers.quarantine import Quarantine
from producers.reading.source import Source
from producers.sources.file import FileSource


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


def replay(positions: Positions, *paths: Path | str) -> list[bytes]:
    source = FileSource([str(path) for path in paths], positions, Quarantine(Path("unused")))
    lines = positions.take(source)
    assert source.read() is None
    source.close()
    return lines


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
    source = FileSource([str(path)], positions, Quarantine(tmp_path))
    first = positions.take(source, reads=2)
    source.close()
    assert 0 < len(first) < len(lines)
    assert first + replay(positions, path) == lines


def test_a_file_that_is_missing_or_a_folder_is_named_at_once(tmp_path: Path, log: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"none\.log"):
        FileSource([str(log), str(tmp_path / "none.log")], {}, Quarantine(tmp_path))
    with pytest.raises(SourceUnreadable, match="directory"):
        FileSource([str(tmp_path)], {}, Quarantine(tmp_path))
    with pytest.raises(SourceUnreadable, match=r"nothing matches .*\*\.gz"):
        FileSource([str(tmp_path / "*.gz")], {}, Quarantine(tmp_path))


def test_a_glob_is_replayed_oldest_first(tmp_path: Path, positions: Positions) -> None:
    for name, content in (("a.log", b"4\n"), ("a.log.1", b"3\n"), ("a.log.2", b"2\n"), ("b.log", b"5\n")):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "a.log.10.gz").write_bytes(gzip.compress(b"1\n"))
    assert replay(positions, str(tmp_path / "*.log*")) == [b"1", b"2", b"3", b"4", b"5"]


def test_what_a_glob_matches_and_is_no_log_is_left_out_and_named(
    tmp_path: Path, log: Path, positions: Positions
) -> None:
    (tmp_path / "folder.log").mkdir()
    (tmp_path / "picture.log").write_bytes(bytes(range(32)) * 64)
    source = FileSource([str(tmp_path / "*.log")], {}, Quarantine(tmp_path))
    assert "folder.log" in source.trouble
    assert "picture.log" in source.trouble
    assert positions.take(source) == [b"one", b"two"]
    assert log.exists()
