"""The real KCL judges the producers' aggregation: it drops, in silence, a whole aggregate that is wrong.

Wrong means that one of its records hashes outside the shard that it lies in.
"""

import base64
import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headrace.kinesis.aggregation import UserRecord, aggregate
from headrace.ops.clock import SystemClock
from headrace.schemas.codec import Event, decode
from infra.local import emulator, streams
from infra.local.state import State
from stream_jobs.error_desk import daemon
from stream_jobs.error_desk.settings import ErrorDeskSettings
from stream_jobs.java import find_java
from tests.producers.processes import ROOT, Producers, wait_for

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("kcl_judge")]

RECORDS, SHARDS = 5_000, 4
AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


class Judge:
    """KCL's daemon on the stream `events`, with a process per shard that records what it is given."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "AWS_ENDPOINT_URL": endpoint,
        } | AWS
        self.kinesis: KinesisClient = streams.client(self.environ)
        settings = ErrorDeskSettings(
            warehouse_url="", stream="events", application="judge", state=str(folder), failover_seconds=1
        )
        self._folder = settings.folder
        daemon.write_files(settings, "", AWS["AWS_REGION"], daemon.endpoints(self.environ))
        recorder = f"#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name('kcl_recorder.py')} .\n"
        (self._folder / "processor").write_text(recorder)
        self._command = daemon.command(settings, find_java(os.environ), daemon.find_jars())

    def start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self._command, env=self.environ, cwd=ROOT, stdin=subprocess.DEVNULL)

    def delivered(self) -> list[bytes]:
        """Every user record that KCL has handed out, whole lines only."""
        lines = [
            line
            for path in self._folder.glob("*.recorded")
            for line in path.read_text().splitlines(keepends=True)
            if line.endswith("\n")
        ]
        return [base64.b64decode(json.loads(line)[2]) for line in lines]


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Judge]:
    state, clock = State(tmp_path / ".headrace"), SystemClock()
    judge = Judge(emulator.endpoint(emulator.start(state, os.environ, clock, preferred=0)), tmp_path)
    judge.kinesis.create_stream(StreamName="events", ShardCount=SHARDS)
    judge.kinesis.get_waiter("stream_exists").wait(StreamName="events", WaiterConfig={"Delay": 1})
    process = judge.start()
    yield judge
    process.kill()
    process.wait()
    emulator.stop(state, clock)


def signups(count: int) -> bytes:
    """Lines of records that are keyed by their user, spread over all shards."""
    users = (uuid.uuid5(uuid.NAMESPACE_URL, str(number)) for number in range(count))
    line = '{"time":"2026-11-21T12:00:00Z","data":{"user_id":"%s","first_name":"%s"}}\n'
    return "".join(line % (user, "x" * (n % 90)) for n, user in enumerate(users)).encode()


def numbers(delivered: list[bytes]) -> Counter[int]:
    """How often each number of the signups was delivered."""
    events = [event for event in map(decode, delivered) if isinstance(event, Event)]
    return Counter(int(event.sequence or 0) for event in events if event.type == "user_signup.v1")


@pytest.mark.timeout(240)
def test_kcl_delivers_every_record_of_a_producer_once_and_an_aggregate_over_shards_never(
    judge: Judge, tmp_path: Path
) -> None:
    lines = tmp_path / "signups.ndjson"
    lines.write_bytes(signups(RECORDS))
    producers = Producers(judge.environ["AWS_ENDPOINT_URL"], tmp_path / "spool")
    produced = producers.start(
        "file", lines, "--type", "user_signup.v1", "--format", "ndjson", **AWS, AWS_DEFAULT_REGION="us-east-1"
    )
    code = produced.wait(60)
    producers.end()
    assert code == 0
    held = sum(
        len(judge.kinesis.get_records(ShardIterator=iterator)["Records"]) for iterator in _from_start(judge)
    )
    assert held < RECORDS / 10, "they went as aggregates"

    put_mixed_aggregate(judge.kinesis)
    wait_for(lambda: judge.delivered().count(b"the last") == SHARDS, 120)
    assert b"lost" not in judge.delivered()
    assert numbers(judge.delivered()) == Counter(range(1, RECORDS + 1))


def put_mixed_aggregate(kinesis: "KinesisClient") -> None:
    """One aggregate whose records belong to all shards, and behind it a plain record in every shard."""
    mixed = aggregate(UserRecord(f"key-{number}", None, b"lost") for number in range(40))
    kinesis.put_record(StreamName="events", Data=mixed, PartitionKey="a")
    for number in range(SHARDS):
        middle = str((2 * number + 1) * 2**128 // (2 * SHARDS))
        kinesis.put_record(StreamName="events", Data=b"the last", PartitionKey="a", ExplicitHashKey=middle)


def _from_start(judge: Judge) -> Iterator[str]:
    for shard in judge.kinesis.list_shards(StreamName="events")["Shards"]:
        yield judge.kinesis.get_shard_iterator(
            StreamName="events", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
