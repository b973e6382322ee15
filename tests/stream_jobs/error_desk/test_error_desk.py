"""The whole desk with KCL's real daemon, on the emulator and the embedded PostgreSQL, parts of it killed."""

import os
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import psutil
import pytest

from headrace.schemas.codec import RejectCode
from tests.producers.processes import wait_for
from tests.stream_jobs.error_desk.rejects import rejected
from tests.stream_jobs.error_desk.running import RunningDesk, daemon_of, shards_of

pytestmark = [pytest.mark.stack, pytest.mark.crash, pytest.mark.xdist_group("error_desk")]

CODES = (RejectCode.NOT_JSON, RejectCode.WRONG_TYPE, RejectCode.TOO_LONG)
SHARDS = 4
PART = 4_000


class Sent:
    """What the test puts on the stream, and what must come of it: copies by id, computed by hand."""

    def __init__(self, desk: RunningDesk) -> None:
        self._desk = desk
        self.copies: Counter[str] = Counter()

    def part(self, number: int) -> None:
        """Rejects of several codes; every tenth comes twice."""
        records = []
        for line in range(number * PART, (number + 1) * PART):
            code, raw = CODES[line % 3], b"line %d" % line
            times = 2 if line % 10 == 0 else 1
            records += [rejected(line + 1, code, raw)] * times
            self._count(raw, code.value, times)
        self._desk.put(records)

    def garbage(self) -> None:
        whole = os.urandom(1 << 20).translate(None, b"[]{}")  # deep nesting would be another code
        self._desk.put([b"", b"{", whole])
        for raw, code in ((b"", "not_json"), (b"{", "not_json"), (whole, "bad_text")):
            self._count(raw, code, 1)

    def _count(self, raw: bytes, code: str, times: int) -> None:
        self.copies[sha256(code.encode() + b"\0" + raw).hexdigest()] += times


@pytest.mark.timeout(400)
@pytest.mark.parametrize("desk", [SHARDS], indirect=True)
def test_every_reject_is_merged_once_whatever_is_killed_meanwhile(
    desk: RunningDesk, allow: Callable[[bool], None], sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    def merged() -> int:
        return int(sql("SELECT COALESCE(sum(seen_on_errors), 0) FROM rejects")[0][0])

    def wait_for_more(than: int) -> None:
        wait_for(lambda: merged() > than, 90, every=0.1)

    sent = Sent(desk)
    process = desk.start(HEADRACE_EMF_SECONDS="0.3")
    sent.part(0)
    sent.garbage()
    wait_for_more(0)
    assert desk.health()["ok"]

    killed = daemon_of(process)
    assert killed
    killed.kill()
    sent.part(1)
    wait_for_more(PART + PART // 10 + 3)

    wait_for(lambda: shards_of(process), 30, every=0.2)
    shards_of(process)[0].kill()  # the daemon ends with it, and is started again
    allow(False)
    sent.part(2)
    wait_for(lambda: "connection" in desk.health()["detail"]["trouble"], 90, every=0.2)
    assert not desk.health()["ok"]
    wait_for(lambda: desk.reported("DeskHeldUp")[-1] == 1, 30, every=0.2)
    allow(True)
    desk.wait_until_caught_up()
    wait_for(lambda: desk.health()["ok"], 30, every=0.2)
    assert desk.metric("headrace_desk_restarts_total") == 2

    shards = shards_of(process)
    assert len(shards) == SHARDS
    process.terminate()
    assert process.wait(40) == 0
    assert psutil.wait_procs(shards, timeout=10)[1] == []
    assert desk.checkpoints() == desk.positions()
    assert desk.reported("DeskHeldUp")[-1] == 0
    assert sum(desk.reported("DeskRestarts")) == 2
    found = dict(sql("SELECT id, seen_on_errors FROM rejects"))
    assert found == sent.copies
    assert sql("SELECT count(*) FROM rejects WHERE raw_place LIKE 'kinesis:shardId-%'") == [(1,)]
    password = desk.environ["HEADRACE_WAREHOUSE_URL"].partition("@")[0].rpartition(":")[2]
    log = (desk.folder / "daemon.log").read_text()
    assert password not in desk.said + log
    assert "line 17" not in desk.said + log


@pytest.mark.timeout(200)
def test_nothing_is_left_running_when_the_desk_itself_is_killed(desk: RunningDesk) -> None:
    process = desk.start()
    wait_for(lambda: daemon_of(process), 60, every=0.1)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert psutil.wait_procs(family, timeout=20)[1] == []
