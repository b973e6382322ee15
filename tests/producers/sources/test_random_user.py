import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from headrace.errors import SettingsError
from headrace.schemas.codec import Rejection
from producers.formats.random_user import FORMAT, parse
from producers.line_format import NO_SHIFT
from producers.reading.source import Source
from producers.sources.random_user import Settings, open_source
from tests.doubles.clock import START, ManualClock
from tests.doubles.random_user import People, RandomUserApi, Reply
from tests.producers.sources.conftest import Open

NO_PEOPLE = "its answer holds no people: "


@pytest.fixture
def api() -> Iterator[RandomUserApi]:
    with RandomUserApi() as double:
        yield double


class Reader:
    """Reads as the producer does, and keeps the places as the spool would."""

    def __init__(self, api: RandomUserApi, opening: Open, clock: ManualClock) -> None:
        self._api = api
        self._opening = opening
        self.clock = clock
        self.url = f"{api.url}/api/"
        self.places: dict[str, str] = {}
        self.source: Source = self.open()

    def open(self, **settings: Any) -> Source:
        given = {"url": self.url, "results": 3, "poll_seconds": 10.0} | settings
        self.source = open_source(msgspec.convert(given, Settings), self._opening(**self.places))
        return self.source

    def poll(self, *, keep: int | None = None) -> list[bytes]:
        """What the next poll brings, at once; only the places of the first `keep` lines reach the disk."""
        asked = len(self._api.received)
        deadline = time.monotonic() + 10
        while len(self._api.received) == asked or self.is_polling():
            assert time.monotonic() < deadline
            chunk = self.source.read()
            assert chunk is not None
            if chunk.lines:
                kept = chunk.places[:keep]
                self.places |= {chunk.input: kept[-1].decode()} if kept else {}
                return [line for line in chunk.lines if isinstance(line, bytes)]
        return []

    def is_polling(self) -> bool:
        return self.source._fetch is not None  # type: ignore[attr-defined]


@pytest.fixture
def reader(api: RandomUserApi, opening: Open, clock: ManualClock) -> Iterator[Reader]:
    made = Reader(api, opening, clock)
    yield made
    made.source.close()


def persons(lines: list[bytes]) -> list[Any]:
    return [msgspec.json.decode(line)["person"] for line in lines]


def test_each_person_is_a_line_with_the_time_of_the_poll(reader: Reader) -> None:
    reader.clock.advance(5)
    lines = reader.poll()
    assert len(lines) == 3
    for line in lines:
        found = parse(line)
        assert not isinstance(found, Rejection)
        assert found[0] == START + timedelta(seconds=5)
    assert reader.source.trouble == ""


def test_the_api_is_asked_politely_and_for_as_many_as_are_set(api: RandomUserApi, reader: Reader) -> None:
    reader.url += "?nat=nz"
    reader.open(results=5)
    assert len(reader.poll()) == 5
    (request,) = api.received
    assert request.path == "/api/?nat=nz&results=5"
    assert request.headers["User-Agent"].startswith("headrace/")
    assert request.headers["Accept"] == "application/json"
    assert "If-None-Match" not in request.headers


def test_no_secret_and_nothing_that_the_api_adds_gets_into_a_line(api: RandomUserApi, reader: Reader) -> None:
    people = People(9)
    person = people.one() | {"token": people._secret(), "cards": [{"number": people._secret()}]}
    person["login"] |= {"bcrypt": people._secret()}
    person["location"]["street"] |= {"alarm": people._secret()}
    api.script(Reply(people=[person]))
    (line,) = reader.poll()
    assert len(people.secrets) == 10
    assert not [secret for secret in people.secrets if secret.encode() in line]
    assert not re.search(rb"password|salt|md5|sha|TFN|token|cards|bcrypt|alarm", line)


@pytest.mark.parametrize(
    ("entry", "path", "message"),
    [
        ("hunter2", "$.person", "Expected `object`, got `str`"),
        (7777, "$.person", "Expected `object`, got `int`"),
        (None, "$.person", "Expected `object`, got `null`"),
        (["hunter2"], "$.person", "Expected `object`, got `array`"),
        ({"login": "hunter2"}, "$.person.login", "Expected `object`, got `str`"),
        ({"login": {"uuid": {"password": "hunter2"}}}, "$.person.login.uuid", "Expected `str`, got `object`"),
        ({"login": {"uuid": ["hunter2"]}}, "$.person.login.uuid", "Expected `str`, got `array`"),
        ({"password": "hunter2"}, "$.person", "missing required field `login`"),
    ],
)
def test_an_entry_that_is_no_person_is_rejected_with_its_reason_and_without_its_content(
    api: RandomUserApi, reader: Reader, entry: object, path: str, message: str
) -> None:
    api.script(Reply(people=[entry]))
    (line,) = reader.poll()
    fate = FORMAT.sealer(None, NO_SHIFT)(line, "s", 1)
    assert isinstance(fate, Rejection)
    assert fate.errors[0].path == path
    assert message in fate.errors[0].message
    assert b"hunter2" not in fate.raw
    assert b"7777" not in fate.raw


def test_polls_come_at_their_interval(api: RandomUserApi, reader: Reader) -> None:
    reader.poll()
    reader.clock.advance(9.9)
    for _ in range(3):
        reader.source.read()
    assert len(api.received) == 1
    reader.clock.advance(0.2)
    assert len(reader.poll()) == 3


def test_the_source_ends_after_as_many_people_as_were_asked_for(api: RandomUserApi, reader: Reader) -> None:
    reader.open(count=5, poll_seconds=0.001)
    assert len(reader.poll()) == 3
    reader.clock.advance(1)
    assert len(reader.poll()) == 2
    assert reader.source.read() is None
    assert [request.path for request in api.received] == ["/api/?results=3", "/api/?results=2"]


def test_an_api_that_gives_more_than_was_asked_for_is_not_believed(
    api: RandomUserApi, reader: Reader
) -> None:
    reader.open(count=2)
    api.script(Reply(people=api.people.some(9)))
    assert len(reader.poll()) == 2
    assert reader.source.read() is None


# -- what has not changed


def test_an_answer_that_has_not_changed_is_not_taken_twice(api: RandomUserApi, reader: Reader) -> None:
    api.usual = Reply(etag='"v1"')
    assert len(reader.poll()) == 3
    for _ in range(2):
        reader.clock.advance(10)
        assert reader.poll() == []
        assert reader.source.trouble == ""
    api.usual = Reply(etag='W/"v2"')
    reader.clock.advance(10)
    assert len(reader.poll()) == 3
    assert [request.headers["If-None-Match"] for request in api.received] == [None, '"v1"', '"v1"', '"v1"']


def test_a_restart_does_not_take_it_twice_either(api: RandomUserApi, reader: Reader) -> None:
    api.usual = Reply(etag='"v1"', people=api.people.some(3))
    assert len(reader.poll()) == 3
    reader.open()
    assert reader.poll() == []
    assert api.received[1].headers["If-None-Match"] == '"v1"'


@pytest.mark.parametrize("kept", [1, 2])
def test_an_answer_that_reached_the_disk_in_part_is_gone_on_with(
    api: RandomUserApi, reader: Reader, kept: int
) -> None:
    api.usual = Reply(etag='"v1"', people=api.people.some(3))
    first = reader.poll(keep=kept)
    reader.open()
    rest = reader.poll()
    assert persons(first[:kept] + rest) == persons(first)
    reader.clock.advance(10)
    assert reader.poll() == []


def test_another_answer_after_a_part_of_one_is_taken_whole(api: RandomUserApi, reader: Reader) -> None:
    api.script(Reply(etag='"v1"'), Reply(etag='"v2"'))
    reader.poll(keep=1)
    reader.open()
    assert len(reader.poll()) == 3


def test_a_server_that_ignores_the_condition_does_no_harm(api: RandomUserApi, reader: Reader) -> None:
    people = api.people.some(3)
    same = Reply(people=people, headers={"ETag": '"v1"'})
    api.script(same, same)
    assert len(reader.poll()) == 3
    reader.clock.advance(10)
    assert reader.poll() == []


# -- what goes wrong


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [
        (Reply(status=503), "it answers 503 Service Unavailable"),
        (Reply(status=429), "it answers 429 Too Many Requests"),
        (Reply(cut=40), "the connection was cut"),
        (Reply(body=b"<html>hunter2"), f"{NO_PEOPLE}JSON is malformed: invalid character"),
        (Reply(body=b'{"error":"hunter2"}'), f"{NO_PEOPLE}Object missing required field"),
        (Reply(body=b'{"results":{"a":"hunter2"}}'), f"{NO_PEOPLE}Expected `array`, got `object`"),
        (Reply(body=b'{"results":["hunter2\xff"]}'), NO_PEOPLE),
        (Reply(body=b'{"results":' + b"[" * 100_000), NO_PEOPLE),
        (Reply(body=b""), NO_PEOPLE),
        (Reply(body=b"no gzip", headers={"Content-Encoding": "gzip"}), "its gzip is damaged"),
        (Reply(body=b"?", headers={"Content-Encoding": "br"}), "the answer is in a coding"),
    ],
)
def test_a_poll_that_failed_is_said_and_made_again_soon(
    api: RandomUserApi, reader: Reader, reply: Reply, trouble: str
) -> None:
    api.script(reply)
    assert reader.poll() == []
    assert reader.source.trouble.startswith(f"127.0.0.1: {trouble}")
    assert "hunter2" not in reader.source.trouble
    reader.clock.advance(2.0)
    assert len(reader.poll()) == 3
    reader.source.read()
    assert reader.source.trouble == ""


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_said_and_asked_again_every_few_minutes(
    api: RandomUserApi, reader: Reader, status: int
) -> None:
    api.script(Reply(status=status))
    assert reader.poll() == []
    assert reader.source.trouble.startswith(f"127.0.0.1: it answers {status} ")
    reader.clock.advance(140)
    reader.source.read()
    assert len(api.received) == 1
    reader.clock.advance(170)
    assert len(reader.poll()) == 3


@pytest.mark.parametrize("wish", ["90", "Sat, 21 Nov 2026 12:01:30 GMT"], ids=["in seconds", "as a date"])
def test_retry_after_is_respected(api: RandomUserApi, reader: Reader, wish: str) -> None:
    api.script(Reply(status=503, headers={"Retry-After": wish}))
    reader.poll()
    assert reader.source.trouble == "127.0.0.1: it answers 503 Service Unavailable, and asks to wait 90 s"
    reader.clock.advance(89.9)
    for _ in range(3):
        reader.source.read()
    assert len(api.received) == 1
    reader.clock.advance(0.2)
    assert len(reader.poll()) == 3


def test_an_answer_without_end_is_given_up_at_its_limit(api: RandomUserApi, reader: Reader) -> None:
    reader.open(answer_bytes=1 << 20)
    api.script(Reply(body=b'{"results":[' + b" " * (64 << 20), gzip=True))
    assert reader.poll() == []
    assert reader.source.trouble == (
        "127.0.0.1: its answer has more than answer_bytes, 1,048,576 (tried again every few minutes)"
    )


def test_a_server_that_says_nothing_is_given_up(api: RandomUserApi, reader: Reader) -> None:
    reader.open(read_seconds=0.3)
    api.script(Reply(stalls=True))
    assert reader.poll() == []
    assert reader.source.trouble == "127.0.0.1: no byte came for 0.3 s"


def test_an_answer_that_drips_is_given_up(api: RandomUserApi, reader: Reader) -> None:
    api.script(Reply(stalls=True))
    reader.source.read()
    reader.clock.advance(301)
    reader.source.read()
    assert reader.source.trouble == "127.0.0.1: its answer is not complete after 300 s"
    reader.clock.advance(2)
    assert len(reader.poll()) == 3


def test_gzip_answers_are_read(api: RandomUserApi, reader: Reader) -> None:
    api.script(Reply(gzip=True))
    assert len(reader.poll()) == 3


def test_an_empty_answer_is_no_trouble(api: RandomUserApi, reader: Reader) -> None:
    api.script(Reply(people=[]))
    assert reader.poll() == []
    assert reader.source.trouble == ""
    reader.clock.advance(10)
    assert len(reader.poll()) == 3


def test_a_wrong_address_is_known_at_the_start() -> None:
    for url in ("randomuser.me/api", "", "file:///etc/passwd"):
        with pytest.raises(SettingsError, match="is no address"):
            Settings(url=url)


def test_the_time_of_the_poll_has_microseconds(reader: Reader) -> None:
    reader.clock.set(datetime(2026, 1, 2, 3, 4, 5, 678901, UTC))
    assert msgspec.json.decode(reader.poll()[0])["polled_at"] == "2026-01-02T03:04:05.678901Z"
