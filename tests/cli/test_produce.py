import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cli.demo_input import EXAMPLE
from headrace.kinesis.aggregation import deaggregate
from infra.local import processes, streams
from infra.local.state import State
from tests.cli.conftest import WITHOUT_WORKERS, Headrace

pytestmark = pytest.mark.stack

PROGRAM = Path(sys.executable).parent / "headrace"
NOWHERE = {
    "AWS_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
Produce = Callable[..., "subprocess.Popen[bytes]"]


def start(state: State, *arguments: str, **variables: str) -> "subprocess.Popen[bytes]":
    """`headrace produce`, with nothing of ours in its environment but these variables."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "AWS_"))
    }
    return subprocess.Popen(
        [PROGRAM, "produce", *arguments],
        env=environ | {"HEADRACE_STATE": str(state.root)} | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def produce(headrace: Headrace, state: State) -> Produce:
    """Starts `headrace produce` beside a local stack that nothing in its environment names."""
    assert headrace("up", *WITHOUT_WORKERS).code == 0
    return partial(start, state)


def on_the_stream(state: State) -> list[dict[str, Any]]:
    kinesis = streams.client(state.read_env())
    found = []
    for shard in kinesis.list_shards(StreamName="events")["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName="events", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        for record in kinesis.get_records(ShardIterator=iterator)["Records"]:
            inside = deaggregate(record["Data"])
            found += [record["Data"]] if inside is None else [each.data for each in inside]
    return [json.loads(data) for data in found]


def numbers(state: State) -> list[int]:
    return sorted(int(event["sequence"]) for event in on_the_stream(state) if "sequence" in event)


def test_a_file_is_sent_to_the_local_stack_and_only_once(
    produce: Produce, state: State, tmp_path: Path
) -> None:
    log = tmp_path / "some.log"
    log.write_bytes(b"".join(EXAMPLE.read_bytes().splitlines(keepends=True)[:50]))
    for _ in range(2):
        with produce("file", str(log)) as process:
            _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        assert b"using the local stack" in error
    assert numbers(state) == list(range(1, 51))


def test_standard_input_is_read_to_its_end(produce: Produce, state: State) -> None:
    lines = b"".join(EXAMPLE.read_bytes().splitlines(keepends=True)[:20])
    with produce("stdin") as process:
        _, error = process.communicate(lines, timeout=60)
    assert process.returncode == 0, error
    assert numbers(state) == list(range(1, 21))


def test_down_stops_a_follower(produce: Produce, headrace: Headrace, state: State, tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    log.write_bytes(EXAMPLE.read_bytes()[:5000])
    with produce("file", str(log), "--follow") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if b"producer started" in line:
                break
        assert [name for name in processes.names(state) if name.startswith("producer")]
        answer = headrace("down")
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"producer-{process.pid}: stopped" in answer.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["file"], "HEADRACE_PATHS"),
        (["file", "/no/such.log"], "cannot be read"),
        (["file", str(EXAMPLE), "--type", "no_such.v1"], "no_such.v1"),
        (["file", str(EXAMPLE), "--rate", "0"], "--rate"),
        (["pigeon"], "pigeon"),
    ],
)
def test_wrong_use_is_told(state: State, arguments: list[str], complaint: str) -> None:
    with start(state, *arguments, **NOWHERE) as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert complaint in error.decode()
    assert b"Traceback" not in error
