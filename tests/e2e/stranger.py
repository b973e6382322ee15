"""A stranger's producer: boto3, aws-kinesis-agg, json and the CloudEvents specification; none of our code."""

import datetime as dt
import json
import random
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
from aws_kinesis_agg.aggregator import RecordAggregator

LINE = re.compile(
    r'(\S+) \S+ (\S+) \[([^\]]+)\] "(\S+) (\S+) (HTTP/[\d.]+)" (\d+) (\d+|-) '
    r'"((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"'
)
GARBAGE = [b"  ", b"{", b"\xff\xfe\x00", b'"text"', b"[]", b'{"specversion":"1.0"}', b"\xf3\x89\x9a\xc2oops"]


def records_of(log: Path, sources: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """CloudEvents of every line that this client can read, dealt out to the sources in turn."""
    last = dict.fromkeys(sources, 0)
    readable = filter(None, map(LINE.fullmatch, log.read_text().splitlines()))
    for at, match in enumerate(readable):
        source = sources[at % len(sources)]
        last[source] += 1
        yield cloud_event(source, last[source], match)


def cloud_event(source: str, number: int, match: re.Match[str]) -> dict[str, Any]:
    address, user, time, method, target, protocol, status, size, referer, agent = match.groups()
    path, _, query = target.partition("?")
    moment = dt.datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z")
    return {
        "data": {
            "client_address": address,
            "user": None if user == "-" else user,
            "method": method,
            "path": path,
            "query": query or None,
            "protocol": protocol,
            "status": int(status),
            "bytes": None if size == "-" else int(size),
            "referer": None if referer == "-" else referer,
            "user_agent": None if agent == "-" else agent,
        },
        "source": source,
        "id": f"{number:016d}",
        "sequence": f"{number:016d}",
        "time": moment.isoformat(),
        "specversion": "1.0",
        "type": "web_access.v1",
    }


def encode(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def wild(events: list[dict[str, Any]], seed: int) -> list[bytes]:
    """A third of the events twice, garbage between them, all in random order."""
    chance = random.Random(seed)
    twice = [event for event in events if chance.random() < 1 / 3]
    messages = [*map(encode, events + twice), *GARBAGE]
    chance.shuffle(messages)
    return messages


def send(stream: str, messages: Iterable[bytes], seed: int) -> None:
    """Put runs of messages, every other run as one aggregated record."""
    chance = random.Random(seed)
    client = boto3.client("kinesis")
    messages = list(messages)
    cuts = [0, *range(200, len(messages), 200), len(messages)]
    for turn, (start, end) in enumerate(pairwise(cuts)):
        run = messages[start:end]
        if turn % 2:
            aggregated(client, stream, run, chance)
        else:
            entries: list[Any] = [{"Data": m, "PartitionKey": str(chance.random())} for m in run]
            answer = client.put_records(StreamName=stream, Records=entries)
            assert answer["FailedRecordCount"] == 0


def aggregated(client: Any, stream: str, run: list[bytes], chance: random.Random) -> None:
    aggregator = RecordAggregator()
    for message in run:
        aggregator.add_user_record(str(chance.random()), message)
    key, _, data = aggregator.clear_and_get().get_contents()
    client.put_record(StreamName=stream, Data=data, PartitionKey=key)
