"""Producers on live sources, from the server to the stream: feeds that are cut, processes that are killed."""

import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sized
from functools import partial
from pathlib import Path

import msgspec
import pytest

from headrace.ops.shutdown import Shutdown
from headrace.schemas.records.user_signup import UserSignup
from headrace.schemas.records.wiki_edit import WikiEdit
from producers.progress import Progress
from tests.doubles.event_feed import EventFeed, FeedEvent, Turn
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.random_user import RandomUserApi, Reply
from tests.producers.processes import Producers, wait_for
from tests.producers.received import Received, receive

EXAMPLES = Path(__file__).parents[2] / "examples"


def more_than(found: Sized, count: int) -> bool:
    return len(found) > count


@pytest.fixture
def feed() -> Iterator[EventFeed]:
    with EventFeed(seed=11) as double:
        yield double


@pytest.fixture
def api() -> Iterator[RandomUserApi]:
    with RandomUserApi(seed=11) as double:
        yield double


def edits(count: int, first: int = 1) -> list[FeedEvent]:
    """Recorded edits over and over, each under an id of its own."""
    recorded = (EXAMPLES / "wikimedia-recentchange.ndjson").read_bytes().splitlines()
    events = []
    for number in range(first, first + count):
        event = msgspec.json.decode(recorded[number % len(recorded)])
        event["meta"]["id"] = f"e{number}"
        place = msgspec.json.encode([{"topic": "recentchange", "offset": number}]).decode()
        events.append(FeedEvent(msgspec.json.encode(event), place))
    return events


def cuts(feed: EventFeed, count: int, longest: int) -> None:
    """The next connections end after so many bytes at most, in any coding."""
    draw = feed.random.random
    feed.script(
        *(Turn(cut=int(draw() * longest), gzip=draw() < 0.5, chunked=draw() < 0.5) for _ in range(count))
    )


def event_ids(received: Received) -> list[str]:
    """Of every edit, in the order of sources and numbers."""
    assert received.conflicts == []
    assert not received.rejects
    ordered = sorted(received.events.items())
    return [event.data.event_id for _, event in ordered if isinstance(event.data, WikiEdit)]


def user_ids(received: Received) -> list[str]:
    """Of every sign-up, in the order of sources and numbers."""
    assert received.conflicts == []
    ordered = sorted(received.events.items())
    return [event.data.user_id for _, event in ordered if isinstance(event.data, UserSignup)]


def until(count: int, shutdown: Shutdown) -> Callable[[Progress], None]:
    """Ends a producer once Kinesis has so many records."""

    def tell(progress: Progress) -> None:
        if progress.acknowledged >= count:
            shutdown.request("all is there")

    return tell


def wait_for_events(process: subprocess.Popen[bytes], kinesis: KinesisDouble, count: int) -> None:
    """Until so many different records are there, while the process lives."""
    wait_for(lambda: process.poll() is not None or len(receive(kinesis).events) >= count, 60)
    assert process.poll() is None, process.communicate()[1].decode()


def test_a_feed_that_is_cut_50_times_arrives_with_each_edit_once(
    produce: Callable[..., int], kinesis: KinesisDouble, feed: EventFeed
) -> None:
    feed.publish(*edits(2_000))
    cuts(feed, 50, longest=25_000)
    shutdown = Shutdown()
    code = produce(
        source="sse",
        url=feed.url,
        format="recentchange",
        retry_seconds=0.01,
        shutdown=shutdown,
        tell=until(2_000, shutdown),
    )
    assert code == 0
    assert len(feed.received) == 51
    assert event_ids(receive(kinesis)) == [f"e{n}" for n in range(1, 2_001)]


@pytest.mark.crash
def test_a_feed_is_gone_on_with_after_kill_9_at_random_points_and_each_edit_counts_once(
    producers: Producers, kinesis: KinesisDouble, feed: EventFeed
) -> None:
    kinesis.faults.record_failure = 0.05
    cuts(feed, 400, longest=40_000)
    draw = random.Random(7)
    start = ("sse", "--url", feed.url, "--format", "recentchange", "--retry-seconds", "0.01")
    published = 0
    for _ in range(8):
        process = producers.start(*start, "--rate", 1_000)
        asked = len(feed.received)
        wait_for(partial(more_than, feed.received, asked))
        for _ in range(20):
            feed.publish(*edits(25, first=published + 1))
            published += 25
            time.sleep(draw.random() * 0.04)
        process.kill()
        process.wait()
    last = producers.start(*start)
    wait_for_events(last, kinesis, published)
    last.terminate()
    _, said = last.communicate(timeout=30)
    assert last.returncode == 0, said.decode()
    assert event_ids(receive(kinesis)) == [f"e{n}" for n in range(1, published + 1)]


@pytest.mark.crash
def test_people_of_an_api_with_etags_count_once_through_kill_9(
    producers: Producers, kinesis: KinesisDouble, api: RandomUserApi
) -> None:
    people = api.people.some(3_000)
    api.usual = Reply(people=people, etag='"v1"', gzip=True)
    start = ("random-user", "--url", api.url, "--poll-seconds", "0.2")
    draw = random.Random(7)
    for _ in range(6):
        process = producers.start(*start, "--rate", 1_500)
        asked = len(api.received)
        wait_for(partial(more_than, api.received, asked))
        time.sleep(draw.random() * 0.4)
        process.kill()
        process.wait()
    last = producers.start(*start)
    wait_for_events(last, kinesis, len(people))
    asked = len(api.received)
    wait_for(lambda: len(api.received) >= asked + 3)
    last.terminate()
    last.communicate(timeout=30)
    assert user_ids(receive(kinesis)) == [person["login"]["uuid"] for person in people]


@pytest.mark.crash
def test_no_password_is_ever_in_the_spool_the_stream_or_the_log(
    producers: Producers, kinesis: KinesisDouble, api: RandomUserApi, tmp_path: Path
) -> None:
    secret = api.people._secret
    odd = [secret(), [secret()], {"password": secret()}, {"login": secret()}, {"login": {"uuid": [secret()]}}]
    too_long = api.people.one() | {"email": "x" * (600 << 10)}  # its reject's raw bytes go to quarantine
    api.script(Reply(people=[*api.people.some(50), *odd, too_long]))
    api.script(
        Reply(body=b'{"results": ["%b"' % secret().encode()), Reply(status=404, body=secret().encode())
    )
    kinesis.down()
    process = producers.start(
        "random-user", "--url", api.url, "--poll-seconds", "0.1", "--retry-seconds", "0.1"
    )
    wait_for(lambda: len(api.received) == 3 and list(tmp_path.glob("spool/**/*.raw")))
    wait_for(lambda: b"example.com" in spooled(tmp_path))
    said = said_until(b"it answers 404", process)
    process.kill()
    assert len(api.people.secrets) > 300
    for content in (spooled(tmp_path), said):
        assert not [value for value in api.people.secrets if value.encode() in content]
    kinesis.up()
    last = producers.start("random-user", "--url", api.url, "--poll-seconds", "9")
    wait_for_events(last, kinesis, 56 + 100)
    last.kill()
    assert len(receive(kinesis).rejects) == 6
    stream = b"".join(record.data for record in kinesis.records("events"))
    assert not [value for value in api.people.secrets if value.encode() in stream]


def said_until(words: bytes, process: subprocess.Popen[bytes]) -> bytes:
    """What it has logged, up to the line with these words."""
    assert process.stderr is not None
    said = b""
    for line in process.stderr:
        said += line
        if words in line:
            break
    return said


def spooled(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.glob("spool/**/*") if path.is_file())


def test_a_demo_of_ten_people_ends_by_itself(
    produce: Callable[..., int], kinesis: KinesisDouble, api: RandomUserApi
) -> None:
    assert produce(source="random-user", url=api.url, results=4, poll_seconds=0.05, count=10) == 0
    received = receive(kinesis)
    assert len(user_ids(received)) == 10
    (statuses,) = received.statuses.values()
    assert statuses[-1].closed
