"""`headrace demo --config` as a person runs it, on servers of the test's own: some answer, some are away."""

import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.event_feed import EventFeed, FeedEvent, Turn
from tests.doubles.random_user import RandomUserApi, Reply
from tests.doubles.web_server import Request
from tests.e2e import feeds
from tests.e2e.laptop import Laptop
from tests.e2e.truth import CHANGES, PEOPLE, Truth
from tests.e2e.windows import assert_edits_equal, assert_signups_equal, assert_windows_equal

pytestmark = [
    pytest.mark.spark,
    pytest.mark.stack,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("live demo"),  # one demo for all of them
]

LINES, EDITS, RESULTS = 800, 600, 20
SETTINGS = """
[inputs.log]
source = "file"
paths = ["{log}"]

[inputs.signups]
source = "random-user"
url = "{api}/api/"
results = {results}
count = 100
poll_seconds = 0.3
retry_seconds = 0.1

[inputs.edits]
source = "sse"
format = "recentchange"
url = "{feed}/"
retry_seconds = 0.05

[inputs.people-away]
source = "random-user"
url = "http://127.0.0.1:{closed}/api/"

[inputs.feed-away]
source = "sse"
format = "recentchange"
url = "http://127.0.0.1:{closed}/"
"""


class NotedApi(RandomUserApi):
    """Notes when it gave which people, and gives none just before a window ends: they are timed elsewhere."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self.lines: list[bytes] = []

    def answer(self, request: Request) -> None:
        now = time.time()
        if now % 600 > 595:
            self.script(Reply(status=503))
            super().answer(request)
            return
        given = self.people.some(RESULTS)
        stamp = datetime.fromtimestamp(now, UTC).isoformat()
        self.lines += [json.dumps({"polled_at": stamp, "person": one}).encode() for one in given]
        self.script(Reply(people=given, gzip=True))
        super().answer(request)


@dataclass
class Ran:
    """One demo, and what its servers gave it."""

    laptop: Laptop
    printed: str
    folder: Path
    people: list[bytes]
    edits: list[bytes]
    secrets: list[str]
    asked_from: list[str | None] = field(repr=False)

    def truth(self, name: str, lines: list[bytes], records: str) -> Truth:
        path = self.folder / f"{name}.truth"
        path.write_bytes(b"\n".join(lines) + b"\n")
        return Truth(path, records)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, log: Path) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("live")
    some = folder / "access.log"
    some.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:LINES]))
    laptop = Laptop(folder / "state")
    edits = feeds.changes(EDITS, seed=5)
    with EventFeed(seed=5) as feed, NotedApi(seed=5) as api:
        feed.publish(*(FeedEvent(line, f"[{number}]") for number, line in enumerate(edits, 1)))
        feed.script(*[Turn(cut=50_000), Turn(cut=10_000, gzip=True), Turn(cut=30_000, chunked=False)] * 2)
        with socket.create_server(("127.0.0.1", 0)) as free:
            closed = free.getsockname()[1]
        config = folder / "live.toml"
        config.write_text(
            SETTINGS.format(log=some, api=api.url, feed=feed.url, results=RESULTS, closed=closed)
        )
        printed = laptop.headrace("demo", "--config", str(config), "--seconds", "8")
        yield Ran(laptop, printed, folder, api.lines, edits, api.people.secrets, feed.asked_from)
    laptop.headrace("down", "--now")


def test_windows_of_a_log_and_two_feeds_equal_the_truth(ran: Ran) -> None:
    assert len(ran.asked_from) == 7  # cut six times
    assert len(ran.people) == 100
    assert_windows_equal(ran.laptop, Truth(ran.folder / "access.log"))
    assert_signups_equal(ran.laptop, ran.truth("people", ran.people, PEOPLE))
    assert_edits_equal(ran.laptop, ran.truth("edits", ran.edits, CHANGES))


def test_the_books_balance_with_every_source_named(ran: Ran) -> None:
    assert "balanced: every record is accounted for, exactly once" in ran.printed
    report: dict[str, Any] = ran.laptop.reconcile("--all", code=0)
    counts = {source["sent"]: source["rejected"] for source in report["sources"]}
    assert counts == {LINES: 0, 100: 0, len(ran.edits): len(feeds.NO_CHANGES)}
    for source in report["sources"]:
        assert f"sent as {source['source']}" in ran.printed


def test_inputs_that_gave_nothing_are_named_with_the_reason(ran: Ran) -> None:
    words = ran.printed.splitlines()
    for name in ("people-away", "feed-away"):
        assert [line for line in words if f"{name}: nothing has come (" in line and "efused" in line]
        assert [line for line in words if f"  {name}: " in line and "efused" in line]
    assert not [line for line in words if "edits: nothing has come" in line]


def test_what_is_late_and_what_to_ask_next_is_said_for_each_type(ran: Ran) -> None:
    assert f"All {LINES} records of web_access.v1 count as late" in ran.printed
    assert "records of user_signup.v1 count as late" not in ran.printed
    for output in ("web_paths_5m", "user_signups_10m", "wiki_edits_1m"):
        assert f"from {output} group by" in ran.printed


def test_no_password_is_anywhere_below_the_state(ran: Ran) -> None:
    files = [path for path in ran.laptop.state.rglob("*") if path.is_file()]
    assert any("postgres" in path.parts for path in files)
    secrets = {secret.encode() for secret in ran.secrets}
    assert len(secrets) > 500
    for path in files:
        for run in re.findall(rb"[0-9a-f]{16,}", path.read_bytes()):
            assert not {run[start : start + 16] for start in range(len(run) - 15)} & secrets, path
