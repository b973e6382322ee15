"""`python -m infra.local.delivery` against the emulator: killed, stopped and started again."""

import gzip
import io
import json
import os
import subprocess
import sys
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import localstack_client.session
import pytest

from headrace.kinesis.aggregation import UserRecord, aggregate
from headrace.ops.clock import SystemClock
from headrace.schemas.archive import DELIVERIES
from infra.local import emulator, ports
from infra.local.delivery.progress import undelivered
from infra.local.state import State
from tests.producers.processes import ROOT, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.crash, pytest.mark.xdist_group("delivery")]

BUCKET = "archive"
PATIENCE = 60  # seconds; the emulator and Python take their time on a busy machine
FUNCTION = """
import base64, json

def handle(event, _):
    answers = []
    for record in event["records"]:
        data = base64.b64decode(record["data"])
        if data.startswith(b"bad"):
            answers.append({"recordId": record["recordId"], "result": "ProcessingFailed"})
            continue
        keys = {"type": "t", "date": "d", "hour": data[-2:].decode()}
        line = base64.b64encode(data + b"\\\\n").decode()
        answer = {"recordId": record["recordId"], "result": "Ok", "data": line}
        answers.append(answer | {"metadata": {"partitionKeys": keys}})
    return {"records": answers}
""".replace("\\\\n", "\\n")


class Laptop:
    """The emulator with both streams, a bucket and a small function, and deliveries as processes."""

    def __init__(self, url: str, state: Path) -> None:
        self.state = state
        self.port = int(url.rpartition(":")[2])
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "HEADRACE_STATE": str(state),
            "HEADRACE_ARCHIVE_BUCKET": BUCKET,
            "HEADRACE_DELIVERY_SECONDS": "0.4",
            "HEADRACE_DELIVERY_TRANSFORM_SECONDS": "0.1",
        }
        self.started: list[subprocess.Popen[bytes]] = []
        session = localstack_client.session.Session()  # finds AWS_ENDPOINT_URL by itself
        self.kinesis, self.s3, self.lambdas = map(session.client, ("kinesis", "s3", "lambda"))

    def prepare(self) -> None:
        for stream in DELIVERIES:
            self.kinesis.create_stream(StreamName=stream, ShardCount=2)
        self.s3.create_bucket(Bucket=BUCKET)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as bundle:
            bundle.writestr("function.py", FUNCTION)
        self.lambdas.create_function(
            FunctionName="headrace-transform",
            Runtime="python3.11",
            Role="arn:aws:iam::000000000000:role/any",
            Handler="function.handle",
            Code={"ZipFile": packed.getvalue()},
        )

    def start(self, **environ: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.local.delivery"],
            env=self.environ | environ,
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        self.started.append(process)
        return process

    def put(self, stream: str, data: bytes, key: str) -> None:
        self.kinesis.put_record(StreamName=stream, Data=data, PartitionKey=key)

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [it["Key"] for page in pages for it in page.get("Contents", [])]

    def lines(self, prefix: str) -> list[bytes]:
        keys = self.keys(prefix)
        bodies = [(key, self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()) for key in keys]
        plain = [gzip.decompress(body) if key.endswith(".gz") else body for key, body in bodies]
        return [line for body in plain for line in body.splitlines()]

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.communicate()


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Laptop]:
    state = State(tmp_path)
    url = emulator.endpoint(emulator.start(state, os.environ, SystemClock(), preferred=0))
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    laptop = Laptop(url, tmp_path)
    try:
        laptop.prepare()
        yield laptop
    finally:
        laptop.end()
        emulator.stop(state, SystemClock())


def health(port: int) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        return json.load(answer)


def is_healthy(port: int) -> bool:
    try:
        return bool(health(port)["ok"])
    except OSError:
        return False


def test_killed_in_mid_delivery_and_started_again_every_record_arrives_at_least_once(laptop: Laptop) -> None:
    expected: set[bytes] = set()
    for attempt in count():
        assert attempt < 6, "it was never killed in mid-delivery"
        for n in range(40):
            inside = [b"%d-%d-%02d" % (attempt, n, part) for part in range(60)]
            expected.update(inside)
            laptop.put("events", aggregate([UserRecord("k", None, part) for part in inside]), f"key-{n}")
        known = len(laptop.keys("events/"))
        process = laptop.start()
        wait_for(lambda known=known: len(laptop.keys("events/")) > known, PATIENCE)  # type: ignore[misc]
        process.kill()
        process.wait()
        if undelivered(laptop.state, laptop.kinesis) == ["events"]:  # some objects, and no checkpoint
            break
    last = laptop.start()
    wait_for(lambda: undelivered(laptop.state, laptop.kinesis) == [], PATIENCE)
    last.terminate()
    _, said = last.communicate(timeout=PATIENCE)
    assert last.returncode == 0, said.decode()
    arrived = Counter(laptop.lines("events/"))
    assert arrived.keys() == expected
    assert arrived.total() > len(expected), "nothing was delivered again"


def test_sigterm_writes_what_is_buffered_and_a_restart_goes_on_behind_it(laptop: Laptop) -> None:
    port = ports.choose(0)
    slow = {"HEADRACE_DELIVERY_SECONDS": "600", "HEADRACE_HEALTH_PORT": str(port)}
    process = laptop.start(**slow)
    rejects = [json.dumps({"data": {"code": "not_json"}, "n": n}).encode() for n in range(30)]
    for n in range(30):
        laptop.put("events", b"good %d" % n, f"{n}")
        laptop.put("errors", rejects[n], f"{n}")
    laptop.put("events", b"bad 1", "k")
    laptop.put("errors", b"no reject", "k")
    wait_for(lambda: is_healthy(port) and health(port)["detail"]["events"]["freshness_seconds"] > 0, PATIENCE)
    assert laptop.lines("") == []
    assert undelivered(laptop.state, laptop.kinesis) == ["events", "errors"]
    process.terminate()
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said.decode()
    assert undelivered(laptop.state, laptop.kinesis) == []
    assert sorted(laptop.lines("events/type=t/date=d/")) == sorted(b"good %d" % n for n in range(30))
    assert sorted(laptop.lines("errors/code=not_json/")) == sorted(rejects)
    assert [json.loads(line)["errorCode"] for line in laptop.lines("failed/events/processing-failed/")] == [
        "Lambda.ProcessingFailedStatus"
    ]
    assert len(laptop.lines("failed/errors/processing-failed/")) == 1
    laptop.put("events", b"later 0", "k")
    again = laptop.start()
    wait_for(lambda: b"later 0" in laptop.lines("events/"), PATIENCE)
    again.terminate()
    again.communicate(timeout=PATIENCE)
    assert len(laptop.lines("events/")) == 31


def test_while_the_emulator_is_stopped_the_delivery_waits_and_then_goes_on(laptop: Laptop) -> None:
    port = ports.choose(0)
    process = laptop.start(HEADRACE_HEALTH_PORT=str(port))
    laptop.put("events", b"before 00", "k")
    wait_for(lambda: laptop.lines("events/") == [b"before 00"], PATIENCE)
    state, clock = State(laptop.state), SystemClock()
    before = emulator.stop(state, clock)
    wait_for(lambda: not is_healthy(port), PATIENCE)
    assert (before, process.poll()) == (True, None)
    emulator.start(state, os.environ, clock, preferred=laptop.port)
    laptop.put("events", b"after 00", "k")
    wait_for(lambda: sorted(laptop.lines("events/")) == [b"after 00", b"before 00"], PATIENCE)
    wait_for(lambda: is_healthy(port), PATIENCE)
