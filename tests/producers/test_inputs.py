"""A whole producer on every kind of input, good and bad, against the double."""

import gzip
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from headrace.errors import SourceUnreadable
from headrace.ops.shutdown import Shutdown
from headrace.schemas.records.web_access import WebAccess
from producers.progress import Progress
from tests.doubles.kinesis import KinesisDouble
from tests.producers.received import access_lines, assert_all_arrived, receive


def test_several_files_plain_and_gzip_are_read_in_order(
    produce: Callable[..., int], kinesis: KinesisDouble, tmp_path: Path
) -> None:
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(b"\n".join(access_lines(100))))
    (tmp_path / "b.log").write_bytes(b"\n".join(access_lines(100, 101)))
    assert produce(tmp_path / "a.log.gz", tmp_path / "b.log") == 0
    assert_all_arrived(kinesis, 200)


@pytest.mark.parametrize("lines", [300, 50_000])
def test_a_gzip_file_cut_short_gives_what_it_has_and_then_fails(
    produce: Callable[..., int], kinesis: KinesisDouble, tmp_path: Path, lines: int
) -> None:
    whole = gzip.compress(b"\n".join(access_lines(lines)))
    path = tmp_path / "a.log.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceUnreadable, match="ends too early"):
        produce(path)
    received = receive(kinesis)
    assert len(received.events) > lines / 10
    assert received.paths() == [f"/{n}" for n in range(1, len(received.events) + 1)]


def test_bad_lines_become_rejects_and_a_long_one_is_kept_whole(
    produce: Callable[..., int], kinesis: KinesisDouble, tmp_path: Path
) -> None:
    good = access_lines(5)
    long = b"x" * 12_000_000
    lines = [
        *access_lines(40),
        good[0],
        b"garbage",
        b"",
        long,
        good[1].replace(b"GET /2", b"GET /\xff"),
        b"\0" + good[2],
    ]
    log = tmp_path / "access.log"
    log.write_bytes(b"\n".join([*lines, good[3]]))
    assert produce(log) == 0
    received = receive(kinesis)
    codes = {number: reject.code for number, reject in received.rejects.items()}
    assert codes == {
        42: "unparsable_line",
        43: "unparsable_line",
        44: "too_large",
        46: "unparsable_line",
    }
    assert [received.events[key].data.path for key in sorted(received.events) if key[1] in {45, 47}] == [
        "/\N{REPLACEMENT CHARACTER}",
        "/4",
    ]
    too_large = received.rejects[44]
    assert too_large.raw_place is not None
    assert Path(too_large.raw_place).read_bytes() == long
    assert (too_large.raw_length, too_large.raw) == (len(long), long[: 512 * 1024])


def test_an_empty_file_sends_nothing_and_is_no_error(
    produce: Callable[..., int], kinesis: KinesisDouble, tmp_path: Path
) -> None:
    (tmp_path / "empty.log").touch()
    assert produce(tmp_path / "empty.log") == 0
    assert kinesis.records() == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (bytes(range(256)) * 20, "no text"),
        (b"\xff\xfe" + "GET".encode("utf-16"), "no text"),
    ],
)
def test_a_file_that_cannot_be_a_log_is_refused_by_name(
    produce: Callable[..., int], tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "bad.log"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceUnreadable, match=rf"bad\.log.*{message}"):
        produce(path)


def test_ndjson_lines_of_a_record_type_arrive(
    produce: Callable[..., int], kinesis: KinesisDouble, tmp_path: Path
) -> None:
    time = "2026-01-02T03:04:05Z"
    data = {"client_address": "::1", "method": "GET", "path": "/a", "status": 200}
    envelope = {"specversion": "1.0", "id": "7", "source": "elsewhere", "type": "web_access.v1"}
    lines = [
        {"time": time, "data": data},
        envelope | {"time": time, "data": data | {"path": "/b"}},
        {"time": time, "data": data | {"status": "200"}},
        {"time": "yesterday", "data": data},
        envelope | {"type": "other.v1", "time": time, "data": data},
    ]
    path = tmp_path / "records.ndjson"
    path.write_bytes(b"\n".join(msgspec.json.encode(line) for line in lines))
    assert produce(path, format="ndjson", type="web_access.v1") == 0
    received = receive(kinesis)
    assert received.paths() == ["/a", "/b"]
    assert {number: reject.code for number, reject in received.rejects.items()} == {
        3: "wrong_type",
        4: "bad_time",
        5: "unknown_type",
    }
    assert received.rejects[3].raw == msgspec.json.encode(lines[2])


def test_rebase_shifts_by_whole_hours_so_that_the_newest_is_now(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    assert produce(log, rebase="now") == 0
    times = {event.time for event in receive(kinesis).events.values()}
    (time,) = times
    assert timedelta(0) <= datetime.now(UTC) - time < timedelta(hours=1)
    assert (time.minute, time.second) == (5, 3)


def test_a_rate_spreads_the_lines_over_time(
    produce: Callable[..., int], kinesis: KinesisDouble, tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"\n".join(access_lines(300)))
    seen: list[int] = []
    assert produce(path, rate=300.0, tell=lambda progress: seen.append(progress.read)) == 0
    assert len({count for count in seen if 0 < count < 300}) >= 3
    assert_all_arrived(kinesis, 300)


def test_lines_appended_while_following_arrive(
    produce: Callable[..., int], kinesis: KinesisDouble, tmp_path: Path
) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"\n".join(access_lines(10)) + b"\n")
    shutdown, step = Shutdown(), [0]

    def act(progress: Progress) -> None:
        if progress.acknowledged == 10 and step[0] == 0:
            step[0] = 1
            with log.open("ab") as file:
                file.write(b"\n".join(access_lines(10, 11)) + b"\nunfinished")
        elif progress.acknowledged == 20:
            shutdown.request("the test")

    runner = threading.Thread(
        target=produce, args=(log,), kwargs={"follow": True, "tell": act, "shutdown": shutdown}
    )
    runner.start()
    runner.join(20)
    assert not runner.is_alive()
    received = receive(kinesis)
    assert received.rejects == {}
    assert all(isinstance(event.data, WebAccess) for event in received.events.values())
    assert_all_arrived(kinesis, 20)
