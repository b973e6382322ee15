"""What rotation does to logs that are followed, step by step: every line comes once."""

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.doubles.clock import ManualClock
from tests.producers.following import Following

Follow = Callable[..., Following]


@pytest.fixture
def follow(tmp_path: Path, clock: ManualClock) -> Iterator[Follow]:
    """Follows paths or globs; its state is that of one spool."""
    opened: list[Following] = []

    def start(*patterns: Path | str, **settings: object) -> Following:
        state = tmp_path / f"state-{len(opened)}"
        state.mkdir()
        opened.append(Following(state, clock, *patterns, **settings))
        return opened[-1]

    yield start
    for following in opened:
        following.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "a.log"
    path.parent.mkdir()
    path.write_bytes(b"one\ntwo\n")
    return path


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def rotate(log: Path, *, keep: int = 9) -> Path:
    """As logrotate does: the oldest goes, the others move on."""
    log.with_name(f"{log.name}.{keep}").unlink(missing_ok=True)
    for n in range(keep - 1, 0, -1):
        if (old := log.with_name(f"{log.name}.{n}")).exists():
            old.rename(log.with_name(f"{log.name}.{n + 1}"))
    return log.rename(log.with_name(f"{log.name}.1"))


def compress(path: Path) -> Path:
    """As gzip does: the compressed file is whole before the other goes."""
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed


def test_following_waits_for_the_end_of_a_line(log: Path, follow: Follow) -> None:
    following = follow(log)
    append(log, b"thr")
    assert following.take() == [b"one", b"two"]
    append(log, b"ee\nfour\n")
    assert following.settle() == [b"three", b"four"]


def test_a_renamed_file_is_read_to_its_end_and_then_the_new_one(log: Path, follow: Follow) -> None:
    following = follow(log)
    append(log, b"par")
    following.take()
    old = rotate(log)
    log.write_bytes(b"new 1\n")
    following.take(seconds=0.2)
    append(old, b"tial\nlate\n")  # the server has not opened the new file yet
    following.take(seconds=0.6)
    following.settle()
    append(log, b"new 2\n")
    following.settle()
    assert following.lines == [b"one", b"two", b"partial", b"late", b"new 1", b"new 2"]


def test_a_server_may_write_to_the_renamed_file_long_after_the_new_one_has_begun(
    log: Path, follow: Follow
) -> None:
    following = follow(log)
    following.take()
    old = rotate(log)
    log.write_bytes(b"new 1\n")
    following.settle()
    append(old, b"very la")
    following.settle()
    append(old, b"te\n")
    following.settle()
    assert following.lines == [b"one", b"two", b"new 1", b"very late"]


def test_the_last_line_of_a_renamed_file_is_waited_for_a_minute(log: Path, follow: Follow) -> None:
    following = follow(log)
    append(log, b"unended")
    following.take()
    rotate(log)
    log.write_bytes(b"new\n")
    assert following.settle() == [b"new"]
    assert following.take(seconds=70) == [b"unended"]


def test_all_generations_made_between_two_looks_are_read_in_order(log: Path, follow: Follow) -> None:
    following = follow(log)
    following.take()
    expected = [b"one", b"two"]
    for n in range(7):
        append(log, b"%d end\n" % n)
        rotate(log)
        log.write_bytes(b"%d begin\n" % n)
        expected += [b"%d end" % n, b"%d begin" % n]
    following.settle()
    assert following.lines == expected


def test_generations_made_and_compressed_while_nobody_read_are_read_in_order(
    log: Path, follow: Follow
) -> None:
    old = log.with_name("a.log.1")
    old.write_bytes(b"never asked for\n")
    following = follow(log)
    following.take()
    append(log, b"three\n")
    rotate(log)
    compress(log.with_name("a.log.2"))
    log.write_bytes(b"four\n")
    rotate(log)
    compress(log.with_name("a.log.2"))
    log.write_bytes(b"five\n")
    following.restart()
    following.settle()
    assert sorted(following.lines) == sorted([b"one", b"two", b"three", b"four", b"five"])


def test_a_file_that_is_deleted_is_read_to_its_end(log: Path, follow: Follow) -> None:
    following = follow(log)
    append(log, b"three")
    log.unlink()
    following.settle()
    assert following.lines == [b"one", b"two", b"three"]
    log.write_bytes(b"four\n")
    assert following.settle() == [b"four"]


def test_truncation_starts_the_file_again(log: Path, follow: Follow) -> None:
    following = follow(log)
    following.take()
    os.truncate(log, 0)
    following.take()
    append(log, b"uno\n")
    following.take(seconds=0.6)
    append(log, b"dos, and longer than what was there before\n")
    following.settle()
    assert following.lines == [b"one", b"two", b"uno", b"dos, and longer than what was there before"]


@pytest.mark.parametrize(
    "content", [b"x\n", b"uno\ndos\n", b"uno\ndos\ntres\n"], ids=["shorter", "same", "longer"]
)
def test_a_file_that_was_truncated_and_written_between_two_looks_is_known_by_its_head(
    log: Path, follow: Follow, content: bytes
) -> None:
    following = follow(log)
    following.take()
    log.write_bytes(content)
    assert following.settle() == content.split()


@pytest.mark.parametrize("restarts", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize("packs", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("fill", [b"", b"x" * 2000 + b"\n"], ids=["short", "long"])
def test_what_copytruncate_took_away_unread_is_found_in_the_copy(
    log: Path, follow: Follow, *, restarts: bool, packs: bool, fill: bytes
) -> None:
    append(log, fill)
    following = follow(log)
    following.take()
    append(log, b"three\nfo")
    following.take() if restarts else None
    copy = Path(shutil.copy(log, log.with_name("a.log.1")))
    os.truncate(log, 0)
    append(log, b"new\n")
    if packs:
        compress(copy)
    if restarts:
        following.restart()
    following.settle()
    rest = [line for line in following.lines if line != fill.strip()]
    assert rest in ([b"one", b"two", b"three", b"new"], [b"one", b"two", b"three", b"fo", b"new"])


def test_a_copy_that_is_made_slowly_is_not_read_beside_its_original(log: Path, follow: Follow) -> None:
    following = follow(f"{log}*")
    append(log, b"".join(b"line %d\n" % n for n in range(1000)))
    following.settle()
    content = log.read_bytes()
    copy = log.with_name("a.log.1")
    for cut in (0, 5, 700, 4000, len(content)):
        copy.write_bytes(content[:cut])
        following.take(seconds=1.1)
    append(log, b"between\n")
    following.take(seconds=1.1)
    os.truncate(log, 0)
    append(log, b"new\n")
    following.settle()
    assert following.lines == [*content.split(b"\n")[:-1], b"between", b"new"]


def test_a_copy_that_gets_the_inode_of_a_file_that_is_known_is_another_file(
    log: Path, follow: Follow
) -> None:
    log.write_bytes(b"")
    old = log.with_name("a.log.1")
    old.write_bytes(b"zero\n")
    following = follow(f"{log}*")
    append(log, b"one\ntwo\nthr")
    following.settle()
    inode = old.stat().st_ino
    append(log, b"ee\n")
    old.write_bytes(log.read_bytes())  # as when it is deleted, and the file system gives its inode out again
    os.truncate(log, 0)
    assert old.stat().st_ino == inode
    following.settle()
    assert following.lines == [b"zero", b"one", b"two", b"three"]


def test_a_copy_is_found_though_its_original_is_known_by_more_bytes_meanwhile(
    log: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.reading.followed_file.READ_BYTES", 4)
    following = follow(log)
    assert following.take(reads=1) == [b"one"]
    append(log, b"".join(b"line %d\n" % n for n in range(100)))
    shutil.copy(log, log.with_name("a.log.1"))
    following.take(seconds=1.1, reads=40)
    assert len(following.lines) < 100
    os.truncate(log, 0)
    append(log, b"new\n")
    for _ in range(10):
        following.settle()
    assert following.lines == [b"one", b"two", *(b"line %d" % n for n in range(100)), b"new"]


def test_a_short_file_that_begins_like_another_and_grows_differently_is_no_copy(
    log: Path, follow: Follow
) -> None:
    following = follow(f"{log}*")
    following.settle()
    other = log.with_name("a.log.1")
    other.write_bytes(b"on")
    following.settle()
    append(other, b"ly here\n")
    following.settle()
    assert following.lines == [b"one", b"two", b"only here"]


def test_a_file_that_had_no_content_when_it_was_opened_is_read_after_it_was_deleted(
    log: Path, follow: Follow
) -> None:
    log.write_bytes(b"")
    following = follow(log)
    with log.open("ab", buffering=0) as writer:
        following.take()
        writer.write(b"a")
        following.take(seconds=1)
        os.truncate(log, 0)
        following.take(seconds=1)
        log.unlink()
        writer.write(b"late\n")
        following.settle()
    assert following.lines[-1] == b"late"


def test_a_half_made_copy_of_a_file_that_was_empty_at_the_last_look_is_a_copy(
    log: Path, follow: Follow
) -> None:
    log.write_bytes(b"")
    following = follow(log)
    following.settle()
    log.write_bytes(b"one\ntwo\n")
    copy = log.with_name("a.log.1")
    copy.write_bytes(b"on")
    following.settle()
    copy.write_bytes(b"one\ntwo\n")
    os.truncate(log, 0)
    following.settle()
    assert following.lines == [b"one", b"two"]


def test_a_file_that_was_made_anew_under_the_same_inode_is_another_one(
    log: Path, follow: Follow, clock: ManualClock
) -> None:
    following = follow(log)
    following.take()
    following.restart()
    inode = log.stat().st_ino
    log.write_bytes(b"uno\ndos\ntres\n")
    assert log.stat().st_ino == inode
    following.restart()
    assert following.settle() == [b"uno", b"dos", b"tres"]
    assert clock.monotonic() > 0


def test_a_short_file_is_known_by_more_bytes_as_it_grows(log: Path, follow: Follow) -> None:
    following = follow(log)
    for n in range(300):
        append(log, b"line %d\n" % n)
        following.take(seconds=0.6)
        if n % 7 == 0:
            following.restart()
    assert following.lines == [b"one", b"two", *(b"line %d" % n for n in range(300))]
    assert len(following.places) == 1
    assert ".1024." in next(iter(following.places))


def test_a_glob_that_also_matches_rotated_names_reads_each_file_once(log: Path, follow: Follow) -> None:
    log.with_name("a.log.1").write_bytes(b"zero\n")
    log.with_name("a.log.2.gz").write_bytes(gzip.compress(b"history\n"))
    log.with_name("a.log.3.bz2").write_bytes(b"BZh")
    following = follow(f"{log}*")
    following.settle()
    assert following.lines == [b"zero", b"one", b"two"]
    for n in range(4):
        append(log, b"%d\n" % n)
        rotate(log)
        compress(log.with_name("a.log.2"))
        log.write_bytes(b"%d new\n" % n)
        following.settle()
        following.restart()
    following.settle()
    assert following.lines[3:] == [b"0", b"0 new", b"1", b"1 new", b"2", b"2 new", b"3", b"3 new"]
    assert following.source.trouble == ""


def test_a_compressed_file_that_is_named_is_read_and_one_that_is_being_made_is_waited_for(
    log: Path, follow: Follow
) -> None:
    whole = gzip.compress(b"".join(os.urandom(40).hex().encode() + b"\n" for _ in range(3000)))
    packed = log.with_name("b.log.1.gz")
    following = follow(f"{log.parent}/*.log", log.with_name("c.gz"))
    following.take()
    log.with_name("c.gz").write_bytes(gzip.compress(b"named\n"))
    for cut in (100, 50_000, len(whole)):
        packed.write_bytes(whole[:cut])
        following.settle()
    assert sorted(following.lines) == sorted([b"one", b"two", b"named", *gzip.decompress(whole).split()])


def test_files_that_appear_are_picked_up_and_a_glob_may_match_nothing_yet(
    tmp_path: Path, follow: Follow
) -> None:
    following = follow(f"{tmp_path}/sites/*/access.log", f"{tmp_path}/deep/**/*.log", tmp_path / "later.log")
    assert following.take() == []
    assert "nothing matches" in following.source.trouble
    for name in ("sites/one/access.log", "sites/two/access.log", "deep/a/b/c.log", "later.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode() + b"\n")
    assert sorted(following.settle()) == sorted(
        [b"sites/one/access.log", b"sites/two/access.log", b"deep/a/b/c.log", b"later.log"]
    )
    assert following.source.trouble == ""


def test_a_symbolic_link_that_moves_to_the_next_file_is_followed(log: Path, follow: Follow) -> None:
    link = log.with_name("current")
    link.symlink_to(log)
    following = follow(link)
    following.take()
    following_file = log.with_name("b.log")
    following_file.write_bytes(b"next\n")
    append(log, b"three\n")
    link.unlink()
    link.symlink_to(following_file)
    append(log, b"four\n")
    following.settle()
    assert following.lines == [b"one", b"two", b"three", b"four", b"next"]


def test_what_cannot_be_read_is_said_and_the_others_go_on(log: Path, follow: Follow) -> None:
    (log.parent / "folder.log").mkdir()
    closed = log.with_name("closed.log")
    closed.write_bytes(bytes(range(32)) * 100)
    following = follow(f"{log.parent}/*.log")
    assert following.settle() == [b"one", b"two"]
    assert "folder.log: it is a directory" in following.source.trouble
    assert "closed.log is no text" in following.source.trouble
    closed.write_bytes(b"better\n")
    (log.parent / "folder.log").rmdir()
    assert following.settle() == [b"better"]
    assert following.source.trouble == ""


def test_from_end_takes_up_what_is_there_at_its_end_and_reads_what_comes_while_it_is_down(
    log: Path, follow: Follow
) -> None:
    append(log, b"begu")
    following = follow(f"{log.parent}/*.log", from_end=True)
    assert following.settle() == []
    following.restart()
    append(log, b"n\nthree\n")
    log.with_name("b.log").write_bytes(b"new file\n")
    following.close()
    following.restart()
    assert sorted(following.settle()) == [b"begun", b"new file", b"three"]


def test_more_files_than_may_be_open_are_followed_all_the_same(
    tmp_path: Path, follow: Follow, clock: ManualClock
) -> None:
    following = follow(f"{tmp_path}/*.log", open_files=5)
    logs = [tmp_path / f"{n}.log" for n in range(40)]
    for turn in range(6):
        for n, path in enumerate(logs):
            append(path, b"%d-%d begi" % (n, turn))
        following.take(seconds=6, reads=100)
        for path in logs[turn::3]:
            append(path, b"n")
        following.take(seconds=6, reads=100)
        for path in logs:
            append(path, b".\n")
        following.take(seconds=6, reads=100)
        assert len(following.source.open_files) <= 5
        assert len(following.lines) == 40 * (turn + 1)
    assert len(set(following.lines)) == 240
    assert clock.monotonic() > 0


def test_thousands_of_rotations_leave_few_places_behind(log: Path, follow: Follow) -> None:
    following = follow(log)
    following.take()
    for n in range(3000):
        append(log, b"line %d\n" % n)
        rotate(log, keep=3)
        log.write_bytes(b"")
        following.take(seconds=5.1, reads=4)
        if n % 500 == 0:
            following.restart()
    following.settle()
    assert following.lines == [b"one", b"two", *(b"line %d" % n for n in range(3000))]
    assert len(following.places) < 300
