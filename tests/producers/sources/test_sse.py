import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.errors import SettingsError, SpoolFull
from producers.quarantine import Draft, Kept
from producers.reading.source import MAX_LINE_BYTES as LIMIT
from producers.reading.source import Source
from producers.sources.sse import Settings, input_name, open_source
from tests.doubles.clock import ManualClock
from tests.doubles.event_feed import EventFeed, FeedEvent, Turn
from tests.producers.sources.conftest import Open


@pytest.fixture
def feed() -> Iterator[EventFeed]:
    with EventFeed(seed=5) as double:
        yield double


class Reader:
    """Reads as the producer does, and keeps the places as the spool would."""

    def __init__(self, feed: EventFeed, opening: Open, clock: ManualClock, **settings: object) -> None:
        self._opening = opening
        self._clock = clock
        self.settings = Settings(**({"url": f"{feed.url}/v2/stream"} | settings))  # type: ignore[arg-type]
        self.name = input_name(self.settings.url)
        self.places: dict[str, str] = {}
        self.source: Source = open_source(self.settings, opening())

    def restart(self) -> None:
        """As after a kill -9: what was taken is what the places say."""
        self.source.close()
        self.source = open_source(self.settings, self._opening(**self.places))

    def take(self, count: int, seconds: float = 10.0, step: float = 1.0) -> list[bytes | Kept]:
        """So many events; the clock moves on whenever nothing comes."""
        lines: list[bytes | Kept] = []
        deadline = time.monotonic() + seconds
        while len(lines) < count:
            assert time.monotonic() < deadline, (lines, self.source.trouble)
            lines += self.once(step)
        return lines

    def until_trouble(self, seconds: float = 10.0) -> str:
        """Why nothing comes; the clock stands still meanwhile."""
        deadline = time.monotonic() + seconds
        while not self.source.trouble:
            assert self.once(step=0) == []
            assert time.monotonic() < deadline
        return self.source.trouble

    def once(self, step: float) -> list[bytes | Kept]:
        chunk = self.source.read()
        assert chunk is not None
        if not chunk.lines:
            self._clock.advance(step)
            return []
        assert chunk.input == self.name
        self.places[chunk.input] = chunk.places[-1].decode()
        return list(chunk.lines)


@pytest.fixture
def reader(feed: EventFeed, opening: Open, clock: ManualClock) -> Iterator[Reader]:
    made = Reader(feed, opening, clock)
    yield made
    made.source.close()


def numbered(count: int, first: int = 1) -> list[FeedEvent]:
    return [
        FeedEvent(b'{"n":%d,\n"text":"%b"}' % (n, b"x" * (n % 90)), str(n))
        for n in range(first, first + count)
    ]


def datas(events: list[FeedEvent]) -> list[bytes]:
    return [event.data for event in events]


def test_events_come_as_they_are_published_each_a_line_with_its_id_as_place(
    feed: EventFeed, reader: Reader
) -> None:
    feed.publish(*numbered(2))
    assert reader.take(2) == datas(numbered(2))
    feed.publish(*numbered(1, first=3))
    assert reader.take(1) == datas(numbered(1, first=3))
    assert reader.places == {reader.name: "3"}
    assert reader.source.trouble == ""


def test_the_feed_is_asked_politely(feed: EventFeed, reader: Reader) -> None:
    feed.publish(*numbered(1))
    reader.take(1)
    (request,) = feed.received
    assert request.path == "/v2/stream"
    assert request.headers["Accept"] == "text/event-stream"
    assert request.headers["Accept-Encoding"] == "gzip"
    assert request.headers["User-Agent"].startswith("headrace/")
    assert "Last-Event-ID" not in request.headers


def test_a_feed_that_is_cut_anywhere_gives_each_event_once(feed: EventFeed, reader: Reader) -> None:
    events = numbered(3_000)
    feed.publish(*events)
    feed.script(
        *(
            Turn(
                cut=feed.random.randrange(0, 1500),
                chunked=feed.random.random() < 0.5,
                gzip=feed.random.random() < 0.5,
            )
            for _ in range(50)
        )
    )
    assert reader.take(3_000, seconds=60, step=60) == datas(events)
    assert len(feed.received) == 51


@pytest.mark.parametrize("taken", [1, 7, 20])
def test_a_restart_goes_on_behind_the_last_event_that_was_kept(
    feed: EventFeed, reader: Reader, taken: int
) -> None:
    events = numbered(20)
    feed.publish(*events[:taken])
    lines = reader.take(taken)
    reader.restart()
    feed.publish(*events[taken:], *numbered(1, first=21))
    lines += reader.take(21 - taken)
    assert lines == datas([*events, *numbered(1, first=21)])
    assert feed.asked_from == [None, str(taken)]


def test_another_address_is_another_feed_and_no_query_is_shown_in_its_name() -> None:
    name = input_name("https://example.com/feed?key=hunter2")
    assert name.startswith("example.com.")
    assert "hunter2" not in name
    assert name != input_name("https://example.com/feed")


def test_events_without_an_id_come_again_from_the_last_id_on(feed: EventFeed, reader: Reader) -> None:
    feed.publish(FeedEvent(b"a", "1"), FeedEvent(b"b"))
    assert reader.take(2) == [b"a", b"b"]
    reader.restart()
    assert reader.take(1) == [b"b"]


def test_an_id_beyond_latin_1_goes_back_as_it_came(feed: EventFeed, reader: Reader) -> None:
    feed.publish(FeedEvent(b"a", "é山"))
    reader.take(1)
    reader.restart()
    reader.once(1.0)
    reader.once(1.0)
    assert feed.received[1].headers["Last-Event-ID"].encode("latin-1").decode() == "é山"


@pytest.mark.parametrize("gzip", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
def test_an_event_comes_at_once_whatever_the_coding(
    feed: EventFeed, reader: Reader, gzip: bool, chunked: bool
) -> None:
    feed.usual = Turn(gzip=gzip, chunked=chunked)
    for event in numbered(5):
        feed.publish(event)
        assert reader.take(1, seconds=5) == [event.data]
    assert len(feed.received) == 1


def test_gzip_that_blows_up_is_read_in_small_pieces(feed: EventFeed, reader: Reader) -> None:
    feed.usual = Turn(gzip=True, before=b": " + b"a" * (64 << 20) + b"\n")
    feed.publish(*numbered(1))
    assert reader.take(1, seconds=30) == datas(numbered(1))


def test_a_damaged_gzip_is_a_cut_like_any_other(feed: EventFeed, reader: Reader) -> None:
    feed.script(Turn(before=b"no gzip", headers={"Content-Encoding": "gzip"}))
    assert reader.until_trouble() == "127.0.0.1: its gzip is damaged"
    feed.publish(*numbered(1))
    assert reader.take(1) == datas(numbered(1))


def test_only_events_of_the_types_that_are_set_are_taken(
    feed: EventFeed, opening: Open, clock: ManualClock
) -> None:
    reader = Reader(feed, opening, clock, events=("edit",))
    feed.publish(
        FeedEvent(b"a", "1", "edit"),
        FeedEvent(b"b", "2", "log"),
        FeedEvent(b"c", "3"),
        FeedEvent(b"d", "4", "edit"),
    )
    assert reader.take(2) == [b"a", b"d"]
    reader.source.close()


def test_silence_ends_a_connection_and_a_comment_is_life(
    feed: EventFeed, opening: Open, clock: ManualClock
) -> None:
    reader = Reader(feed, opening, clock, idle_seconds=0.8)
    feed.script(Turn(comment_seconds=0.1), Turn())
    began = time.monotonic()
    while time.monotonic() - began < 1.7:
        reader.once(1.0)
    assert len(feed.received) == 1
    feed.usual = Turn(comment_seconds=0.1)
    feed.script(Turn())
    feed.received.clear()
    reader.restart()
    assert reader.until_trouble() == "127.0.0.1: no byte came for 0.8 s"
    feed.publish(*numbered(1))
    assert reader.take(1) == datas(numbered(1))
    assert (len(feed.received), reader.source.trouble) == (2, "")
    reader.source.close()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_failure_that_passes_is_tried_again_soon(
    feed: EventFeed, reader: Reader, clock: ManualClock, status: int
) -> None:
    feed.script(Turn(status=status))
    feed.publish(*numbered(1))
    assert f"127.0.0.1: it answers {status} " in reader.until_trouble()
    clock.advance(2.0)
    assert reader.take(1, step=0) == datas(numbered(1))
    assert reader.source.trouble == ""


@pytest.mark.parametrize("wish", ["30", "Sat, 21 Nov 2026 12:00:30 GMT"], ids=["in seconds", "as a date"])
def test_retry_after_is_respected(feed: EventFeed, reader: Reader, clock: ManualClock, wish: str) -> None:
    feed.script(Turn(status=429, headers={"Retry-After": wish}))
    feed.publish(*numbered(1))
    assert reader.until_trouble() == "127.0.0.1: it answers 429 Too Many Requests, and asks to wait 30 s"
    clock.advance(29.9)
    for _ in range(3):
        assert reader.once(0) == []
    assert len(feed.received) == 1
    clock.advance(0.2)
    assert reader.take(1, step=0) == datas(numbered(1))


@pytest.mark.parametrize(
    ("turn", "trouble"),
    [
        (Turn(status=204), "127.0.0.1: it asks not to be asked again (204)"),
        (Turn(status=401), "127.0.0.1: it answers 401 Unauthorized"),
        (Turn(status=404), "127.0.0.1: it answers 404 Not Found"),
        (Turn(content_type="text/html"), "127.0.0.1: what it sends is no text/event-stream"),
    ],
)
def test_what_will_hardly_change_is_asked_again_every_few_minutes(
    feed: EventFeed, reader: Reader, clock: ManualClock, turn: Turn, trouble: str
) -> None:
    feed.script(turn)
    feed.publish(*numbered(1))
    assert reader.until_trouble() == f"{trouble} (tried again every few minutes)"
    clock.advance(140)
    assert (reader.once(0), len(feed.received)) == ([], 1)
    clock.advance(170)
    assert reader.take(1, step=0) == datas(numbered(1))


def test_the_server_says_how_long_to_wait_between_connections(
    feed: EventFeed, reader: Reader, clock: ManualClock
) -> None:
    feed.script(Turn(before=b"retry: 20000\n\n", ends=True))
    feed.publish(*numbered(1))
    assert reader.take(1, step=0) == datas(numbered(1))
    while reader.source.read() is None or reader.source._fetch is not None:  # type: ignore[attr-defined]
        pass
    assert reader.source.trouble == ""  # it brought something, so this end is no trouble
    clock.advance(19.9)
    reader.once(0)
    assert len(feed.received) == 1
    feed.publish(*numbered(1, first=2))
    clock.advance(0.2)
    assert reader.take(1, step=0) == datas(numbered(1, first=2))


def test_failures_in_a_row_are_met_with_longer_waits(
    feed: EventFeed, reader: Reader, clock: ManualClock
) -> None:
    feed.usual = Turn(status=503)
    waits = []
    for _ in range(8):
        began, asked = clock.monotonic(), len(feed.received)
        while len(feed.received) == asked:
            reader.once(0.05)
        waits.append(clock.monotonic() - began)
        while reader.source._fetch is not None:  # type: ignore[attr-defined]
            reader.once(0)
    assert [round(wait) for wait in waits] == [0, 2, 4, 8, 16, 32, 60, 60]


def test_redirects_are_followed_with_the_last_id(feed: EventFeed, reader: Reader) -> None:
    feed.publish(*numbered(2))
    feed.script(Turn(status=307, headers={"Location": "/elsewhere"}), Turn(ends=True))
    feed.script(Turn(status=302, headers={"Location": f"{feed.url}/there"}))
    assert reader.take(2) == datas(numbered(2))
    feed.publish(*numbered(1, first=3))
    assert reader.take(1) == datas(numbered(1, first=3))
    assert [(r.path, r.headers["Last-Event-ID"]) for r in feed.received] == [
        ("/v2/stream", None),
        ("/elsewhere", None),
        ("/v2/stream", "2"),
        ("/there", "2"),
    ]


def test_redirects_without_end_are_given_up(feed: EventFeed, reader: Reader) -> None:
    feed.usual = Turn(status=307, headers={"Location": "/round"})
    assert reader.until_trouble() == "127.0.0.1: more than 5 redirects"
    assert len(feed.received) == 6


def test_nobody_there_and_no_such_name_are_said(opening: Open, clock: ManualClock) -> None:
    with EventFeed() as gone:
        pass
    assert Reader(gone, opening, clock).until_trouble() == "127.0.0.1: Connection refused"
    reader = Reader(gone, opening, clock, url="https://nowhere.invalid/feed?key=hunter2")
    assert "nowhere.invalid: its name is not known (DNS: " in reader.until_trouble(30)
    assert "hunter2" not in reader.source.trouble


def test_an_event_longer_than_a_line_goes_to_quarantine(feed: EventFeed, reader: Reader) -> None:
    events = [FeedEvent(b"a", "1"), FeedEvent(b"y" * (LIMIT + 1), "2"), FeedEvent(b"c", "3")]
    feed.publish(*events)
    first, long, last = reader.take(3)
    assert (first, last) == (b"a", b"c")
    assert isinstance(long, Kept)
    assert Path(long.place).read_bytes() == events[1].data


def test_a_full_disk_holds_the_feed_up_and_loses_nothing(
    feed: EventFeed, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.publish(FeedEvent(b"y" * (LIMIT + 1), "1"), FeedEvent(b"b", "2"))

    def full(*_: object) -> None:
        raise SpoolFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(Draft, "finish", full)
        with pytest.raises(SpoolFull):
            reader.take(1)
        with pytest.raises(SpoolFull):
            reader.source.read()
    long, line = reader.take(2)
    assert isinstance(long, Kept)
    assert line == b"b"
    assert len(feed.received) == 1


def test_a_producer_that_does_not_read_holds_the_server_up_and_not_its_own_memory(
    feed: EventFeed, reader: Reader
) -> None:
    feed.publish(*(FeedEvent(b"z" * 60_000, str(n)) for n in range(1, 501)))  # 30 MB
    assert reader.take(1)
    fetch = reader.source._fetch  # type: ignore[attr-defined]
    deadline = time.monotonic() + 10
    while not fetch._items.full():
        assert time.monotonic() < deadline
    assert fetch._items.maxsize * (1 << 16) < 1 << 20
    assert len(reader.take(499, seconds=30)) == 499


def test_closing_ends_a_connection_at_once_and_twice_is_fine(feed: EventFeed, reader: Reader) -> None:
    feed.publish(*numbered(1))
    reader.take(1)
    thread = reader.source._fetch._thread  # type: ignore[attr-defined]
    began = time.monotonic()
    reader.source.close()
    reader.source.close()
    assert not thread.is_alive()
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize(
    "url",
    [
        "stream.example.com/feed",
        "ftp://example.com",
        "https://",
        "https:///x",
        "",
        "https://a b/",
        "http://x:99999/",
    ],
)
def test_a_wrong_address_is_known_at_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="is no address: it begins with https://"):
        Settings(url=url)


@pytest.mark.parametrize(
    "url", ["https://joe:hunter2@example.com/feed", "joe:hunter2@example.com", "ftp://joe:hunter2@x"]
)
def test_a_password_in_the_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="leave the user and the password out") as said:
        Settings(url=url)
    assert "hunter2" not in str(said.value)


def test_a_path_may_hold_an_at_sign() -> None:
    Settings(url="https://example.com/@joe?mail=joe@example.com")
