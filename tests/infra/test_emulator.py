import os
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import localstack_client.session
import psutil
import pytest

from headrace.errors import LocalStackFailed
from headrace.ops.clock import SystemClock
from headrace.schemas.streams import STREAMS
from infra.local import emulator, streams
from infra.local.processes import Background
from infra.local.state import State

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

pytestmark = pytest.mark.stack


def kinesis(background: Background) -> "KinesisClient":
    return streams.client(
        {
            "AWS_ENDPOINT_URL": emulator.endpoint(background),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }
    )


def test_one_port_is_open_on_the_loopback_interface_and_no_other(state: State, clock: SystemClock) -> None:
    background = emulator.start(state, os.environ, clock, preferred=0)
    kinesis(background).create_stream(StreamName="any", ShardCount=1)
    process = psutil.Process(background.pid)
    family = [process, *process.children(recursive=True)]
    listening = [
        tuple(connection.laddr)
        for member in family
        for connection in member.net_connections(kind="all")
        if connection.status == psutil.CONN_LISTEN or connection.type == socket.SOCK_DGRAM
    ]
    assert listening == [("127.0.0.1", background.port)]


def test_localstacks_own_client_finds_it(
    state: State, clock: SystemClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    background = emulator.start(state, os.environ, clock, preferred=0)
    streams.create(kinesis(background), [STREAMS["events"]])
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.endpoint(background))
    stranger = localstack_client.session.Session().client("kinesis")
    assert stranger.list_streams()["StreamNames"] == ["events"]


def test_another_port_is_taken_when_the_preferred_one_is_in_use(state: State, clock: SystemClock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert emulator.start(state, os.environ, clock, preferred=port).port != port


def test_starting_it_twice_is_starting_it_once(state: State, clock: SystemClock) -> None:
    first = emulator.start(state, os.environ, clock, preferred=0)
    assert emulator.start(state, os.environ, clock, preferred=0) == first


def test_records_and_the_streams_age_survive_a_stop(state: State, clock: SystemClock) -> None:
    declared = STREAMS["events"]
    client = kinesis(emulator.start(state, os.environ, clock, preferred=0))
    streams.create(client, [declared])
    put = client.put_record(StreamName="events", Data=b"kept \x00\xff", PartitionKey="k")
    before = client.describe_stream_summary(StreamName="events")["StreamDescriptionSummary"]
    assert emulator.stop(state, clock)
    client = kinesis(emulator.start(state, os.environ, clock, preferred=0))
    after = client.describe_stream_summary(StreamName="events")["StreamDescriptionSummary"]
    assert after["StreamCreationTimestamp"] == before["StreamCreationTimestamp"]
    assert after["RetentionPeriodHours"] == 365 * 24
    start = client.get_shard_iterator(
        StreamName="events",
        ShardId=put["ShardId"],
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=put["SequenceNumber"],
    )
    assert client.get_records(ShardIterator=start["ShardIterator"])["Records"][0]["Data"] == b"kept \x00\xff"


def test_streams_that_are_there_are_left_alone_and_read_to_the_end_is_known(
    state: State, clock: SystemClock
) -> None:
    client = kinesis(emulator.start(state, os.environ, clock, preferred=0))
    for _ in range(2):
        streams.create(client, STREAMS.values())
    assert streams.read_to_the_end(client, "events", {})
    put = client.put_record(StreamName="events", Data=b"x", PartitionKey="k")
    last = client.put_record(
        StreamName="events", Data=b"y", PartitionKey="k", SequenceNumberForOrdering=put["SequenceNumber"]
    )
    assert not streams.read_to_the_end(client, "events", {})
    assert not streams.read_to_the_end(client, "events", {put["ShardId"]: put["SequenceNumber"]})
    assert streams.read_to_the_end(client, "events", {put["ShardId"]: last["SequenceNumber"]})


def test_one_that_does_not_come_up_is_cleaned_away_and_its_log_is_shown(
    state: State, clock: SystemClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'no such service'\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(emulator, "_PROGRAM", broken)
    with pytest.raises(LocalStackFailed, match="no such service"):
        emulator.start(state, os.environ, clock, preferred=0)
    assert not list(state.run.iterdir())


def test_after_a_stop_nothing_answers(state: State, clock: SystemClock) -> None:
    background = emulator.start(state, os.environ, clock, preferred=0)
    assert emulator.stop(state, clock)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(emulator.endpoint(background), timeout=2)
