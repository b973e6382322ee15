"""Looking at streams: what is shown, what is hidden, and that nothing from data reaches the terminal raw."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from cli.place import Place
from cli.tail import Tail
from headrace.kinesis.aggregation import UserRecord, aggregate
from headrace.kinesis.client import connect
from headrace.schemas.codec import FieldError, RejectCode, Rejection, Stage, encode, reject_event
from headrace.schemas.records.producer_status import ProducerStatus
from headrace.schemas.records.user_signup import UserSignup
from headrace.schemas.records.web_access import WebAccess
from tests.cli.answer import Answer
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble

PROGRAM = Path(sys.executable).parent / "headrace"
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-west-1"}


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def kinesis(clock: ManualClock) -> Iterator[KinesisDouble]:
    with KinesisDouble(clock) as double:
        double.create_stream("events", shards=2)
        double.create_stream("errors", shards=1)
        yield double


class Terminal:
    """Runs `headrace` in this process, on the double and by its clock."""

    def __init__(
        self, kinesis: KinesisDouble, clock: ManualClock, state: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._environ = {**AWS, "AWS_ENDPOINT_URL": kinesis.url, "HEADRACE_STATE": str(state)}
        self._clock = clock
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Answer:
        self._capsys.readouterr()
        code = run(list(arguments), Place(self._environ, self._clock))
        return Answer(code, *self._capsys.readouterr())

    def lines(self, *arguments: str) -> list[str]:
        answer = self(*arguments)
        assert answer.code == 0, answer.err
        return answer.out.splitlines()

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines(*arguments, "--json")]


@pytest.fixture
def headrace(
    kinesis: KinesisDouble, clock: ManualClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    return Terminal(kinesis, clock, tmp_path, capsys)


def access(number: int, source: str = "web-1/A", **fields: Any) -> bytes:
    values: dict[str, Any] = {"client_address": "203.0.113.9", "method": "GET", "path": "/", "status": 200}
    return encode(source, number, NOON, WebAccess(**(values | fields)))


def put(kinesis: KinesisDouble, *raws: bytes, stream: str = "events") -> None:
    for number, raw in enumerate(raws):
        kinesis.put(stream, raw, key=str(number))


def rejected(raw: bytes, **known: Any) -> bytes:
    rejection = Rejection(code=RejectCode.WRONG_TYPE, errors=(FieldError("$.data.x", "why"),), raw=raw)
    where: dict[str, Any] = {"source": "web-1/A", "sequence": 7} | known
    return reject_event(rejection, stage=Stage.PRODUCER, time=NOON, **where)


def test_the_newest_are_shown_in_the_order_in_which_they_came_from_all_shards(
    kinesis: KinesisDouble, clock: ManualClock, headrace: Terminal
) -> None:
    for number in range(1, 8):
        kinesis.put("events", access(number), key=str(number))
        clock.advance(0.01)
    assert {len(shard.records) for shard in kinesis.stream().shards.values()} != {0, 7}
    assert [found["sequence"] for found in headrace.objects("events", "-n", "4")] == [4, 5, 6, 7]


def test_what_is_old_is_found_and_no_more_than_asked_for(
    kinesis: KinesisDouble, clock: ManualClock, headrace: Terminal
) -> None:
    for number, hours in enumerate((11, 8, 3, 0.5, 0.01), 1):
        put(kinesis, access(number))
        clock.advance((hours - (8, 3, 0.5, 0.01, 0)[number - 1]) * 3600)
    assert [found["sequence"] for found in headrace.objects("events", "-n", "3")] == [3, 4, 5]
    assert [found["sequence"] for found in headrace.objects("events")] == [1, 2, 3, 4, 5]


def test_aggregates_are_taken_apart(kinesis: KinesisDouble, headrace: Terminal) -> None:
    put(kinesis, aggregate([UserRecord("k", None, access(number)) for number in (1, 2, 3)]))
    assert [
        (found["sequence"], found["sub_sequence"]) for found in headrace.objects("events", "-n", "2")
    ] == [
        (2, 1),
        (3, 2),
    ]


def test_a_line_says_arrival_type_number_event_time_and_data(
    kinesis: KinesisDouble, headrace: Terminal
) -> None:
    put(kinesis, access(42, path="/a"))
    (line,) = headrace.lines("events")
    assert line.startswith("12:00:00.000  web_access.v1     web-1/A#42  2026-11-21T12:00:00.000Z  {")
    assert '"path":"/a"' in line


def test_personal_values_are_hidden_unless_asked_for(kinesis: KinesisDouble, headrace: Terminal) -> None:
    put(kinesis, access(1, user="ada", query="q=secret"), b'{"user":"ada","type":"web_access.v1"}')
    for arguments in (("events",), ("events", "--json")):
        shown = "\n".join(headrace.lines(*arguments))
        assert "ada" not in shown
        assert "secret" not in shown
        assert "203.0.113.9" not in shown
    shown = "\n".join(headrace.lines("events", "--show-personal"))
    assert '"user":"ada"' in shown
    assert '{"user":"ada","type":"web_access.v1"}' in shown


def test_every_field_that_is_marked_is_hidden(kinesis: KinesisDouble, headrace: Terminal) -> None:
    put(
        kinesis,
        encode(
            "s",
            1,
            NOON,
            UserSignup(user_id="3f1c5a52-9d0e-4a7b-8c61-0d2b7e9f4a10", country="Peru", age=40, city="Lima"),
        ),
    )
    (found,) = headrace.objects("events")
    hidden = {name for name, value in found["data"].items() if value == "***"}
    assert "city" in hidden
    assert found["data"]["country"] == "Peru"


def test_rejected_records_show_their_code_and_what_is_wrong(
    kinesis: KinesisDouble, headrace: Terminal
) -> None:
    put(kinesis, access(1).replace(b"200", b'"200"'), rejected(b"a line"), b"garbage")
    shown = sorted(line.partition("  ")[2] for line in headrace.lines("events"))
    assert shown[0].startswith("not_json  (no number)  $ ")
    assert shown[1] == "producer: wrong_type  web-1/A#7  $.data.x why  (6 bytes)"
    assert shown[2].startswith("wrong_type  web-1/A#1  $.data.status Expected")


def test_a_producers_words_about_itself_are_shown_only_when_asked_for(
    kinesis: KinesisDouble, headrace: Terminal
) -> None:
    put(kinesis, encode("s", None, NOON, ProducerStatus(spooled=3, acknowledged=3)), access(1))
    assert len(headrace.lines("events")) == 1
    assert len(headrace.lines("events", "--all")) == 2
    assert len(headrace.lines("events", "--type", "producer_status.v1")) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--code", "wrong_type"), 1),
        (("--code", "not_json"), 0),
        (("--type", "reject.v1"), 1),
        (("--type", "web_access.v1"), 1),
        (("--source", "web-2/B"), 1),
        (("--source", "web-1/A", "--source", "web-2/B"), 2),
    ],
)
def test_filters_choose(
    kinesis: KinesisDouble, headrace: Terminal, arguments: tuple[str, ...], expected: int
) -> None:
    put(kinesis, access(1, "web-2/B"), rejected(b"a line"))
    assert len(headrace.lines("events", *arguments)) == expected


def test_one_shard_alone_and_a_shard_that_is_not_there(kinesis: KinesisDouble, headrace: Terminal) -> None:
    put(kinesis, *map(access, range(1, 9)))
    shard = "shardId-000000000001"
    expected = len(kinesis.records(shard_id=shard))
    assert 0 < expected < 8
    assert {found["shard"] for found in headrace.objects("events", "--shard", shard)} == {shard}
    answer = headrace("events", "--shard", "shardId-9")
    assert answer.code == 1
    assert "has no shard shardId-9, but shardId-000000000000" in answer.err


@pytest.mark.parametrize("command", ["events", "errors"])
def test_nothing_from_data_can_move_the_cursor_or_change_the_title(
    kinesis: KinesisDouble, headrace: Terminal, command: str
) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\r\n\x9b1m\u202e\u2028\x7f"
    raw = json.dumps({"source": "\u202eevil", "type": "\x9b", "sequence": "0000000000000001"}).encode()
    put(
        kinesis,
        access(1, path=evil, user_agent=evil, source="s\u202e"),
        raw + evil.encode(),
        rejected(evil.encode() + b"\xff", source="s\u202e"),
        evil.encode(),
        stream=command,
    )
    for more in ((), ("--json",)):
        lines = headrace.lines(command, "--show-personal", *more)
        assert len(lines) == 4
        assert all(line.isprintable() for line in lines)


def test_json_tells_the_very_value_that_was_escaped(kinesis: KinesisDouble, headrace: Terminal) -> None:
    path = "/\x9b\u202e\U000e0001\U0001f600"
    put(kinesis, access(1, path=path))
    assert headrace.objects("events")[0]["data"]["path"] == path


def test_errors_shows_stage_code_number_and_the_head_on_request(
    kinesis: KinesisDouble, headrace: Terminal
) -> None:
    put(kinesis, rejected(b"GET /\x1b[2J"), rejected(b"x", source="unnumbered/" + "0" * 64), stream="errors")
    shown = [line.partition("  ")[2] for line in headrace.lines("errors", "--show-personal")]
    assert shown == [
        "producer: wrong_type  web-1/A#7  $.data.x why  GET /\\x1b[2J",
        "producer: wrong_type  (no number)  $.data.x why  x",
    ]
    assert "GET" not in headrace("errors").out


def test_following_goes_on_behind_what_was_shown_and_into_the_shards_of_a_split(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    client = connect(clock, endpoint_url=kinesis.url)
    tail = Tail(client, "events", clock)
    put(kinesis, *map(access, range(1, 5)))
    assert len(tail.newest(2, lambda _: True)) == 2
    put(kinesis, access(5))
    kinesis.split("shardId-000000000000")
    clock.advance(1)
    for number, hash_key in enumerate((0, 2**126, 2**127), 6):
        kinesis.put("events", access(number), hash_key=str(hash_key))
    assert [len(shard.records) for shard in list(kinesis.stream().shards.values())[2:]] == [1, 1]
    following = tail.follow(lambda _: True)
    found = [json.loads(next(following).data)["sequence"] for _ in range(4)]
    assert sorted(map(int, found)) == [5, 6, 7, 8]
    client.close()


def test_following_from_now_on_shows_nothing_that_was_there(
    kinesis: KinesisDouble, clock: ManualClock
) -> None:
    client = connect(clock, endpoint_url=kinesis.url)
    tail = Tail(client, "events", clock)
    put(kinesis, access(1))
    assert tail.newest(0, lambda _: True) == []
    put(kinesis, access(2))
    assert json.loads(next(tail.follow(lambda _: True)).data)["sequence"] == "0000000000000002"
    client.close()


def test_a_wrong_clock_of_ours_hides_nothing(kinesis: KinesisDouble, clock: ManualClock) -> None:
    ours = ManualClock(clock.now() + timedelta(hours=3))
    client = connect(ours, endpoint_url=kinesis.url)
    put(kinesis, access(1))
    assert len(Tail(client, "events", ours).newest(1, lambda _: True)) == 1
    assert kinesis.calls.count("GetRecords") <= 3, "it was found at the first look back"
    client.close()


@pytest.mark.stack
def test_following_shows_what_arrives_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with KinesisDouble() as kinesis:
        kinesis.create_stream("events", shards=1)
        environ = {**os.environ, **AWS, "AWS_ENDPOINT_URL": kinesis.url, "HEADRACE_STATE": str(tmp_path)}
        command = [str(PROGRAM), "events", "-f"]
        with subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            deadline = time.monotonic() + 60
            while "GetRecords" not in kinesis.calls:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            kinesis.put("events", access(77))
            assert "web-1/A#77" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=60)
        assert (process.returncode, error.strip()) == (130, "interrupted")
