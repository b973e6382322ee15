"""`headrace replay-errors` as a person calls it, on the laptop's emulator and warehouse."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import psycopg
import pytest

from headrace.ops.clock import SystemClock
from headrace.schemas.codec import FieldError, RejectCode, Rejection, Stage, decode
from headrace.schemas.rejects import reject
from infra.local import emulator, streams
from infra.local.state import State
from tests.cli.conftest import Headrace
from tests.doubles.clock import START
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import FailRecords
from tests.stream_jobs.replay.mill import access, failed_line, spoiled

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("replay-errors")]

PROGRAM = Path(sys.executable).parent / "headrace"
BUCKET = "archive"
MEND = """
import json
def mend(record):
    event = json.loads(record.raw)
    event["data"]["status"] = int(event["data"]["status"])
    return json.dumps(event).encode()
"""


class Laptop(NamedTuple):
    """What points `headrace` at the test's own stack, and clients for it."""

    variables: dict[str, str]
    kinesis: Any
    s3: Any


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    state = State(tmp_path_factory.mktemp("emulator") / ".headrace")
    background = emulator.start(state, os.environ, SystemClock(), preferred=0)
    yield {
        "AWS_ENDPOINT_URL": emulator.endpoint(background),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    emulator.stop(state, SystemClock())


@pytest.fixture
def laptop(aws: dict[str, str], warehouse_url: str, database: psycopg.Connection) -> Laptop:
    database.execute("TRUNCATE rejects, replayed_lines, ledger_ranges")
    kinesis = streams.client(aws)
    s3 = boto3.session.Session("test", "test", region_name="us-east-1").client(
        "s3", endpoint_url=aws["AWS_ENDPOINT_URL"]
    )
    for name in ("events", "errors"):
        if name in kinesis.list_streams()["StreamNames"]:
            kinesis.delete_stream(StreamName=name)
            kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
        kinesis.create_stream(StreamName=name, ShardCount=1)
        kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    s3.create_bucket(Bucket=BUCKET)
    for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        s3.delete_object(Bucket=BUCKET, Key=found["Key"])
    variables = aws | {"HEADRACE_WAREHOUSE_URL": warehouse_url, "HEADRACE_ARCHIVE_BUCKET": BUCKET}
    return Laptop(variables, kinesis, s3)


def keep(database: psycopg.Connection, raw: bytes, number: int) -> None:
    """A reject in the warehouse."""
    verdict = decode(raw)
    if not isinstance(verdict, Rejection):
        verdict = Rejection(code=RejectCode.JOB_FAULT, errors=(FieldError("$", "why"),), raw=raw)
    data = reject(verdict, stage=Stage.STREAM_JOB)
    database.execute(
        "INSERT INTO rejects (id, stage, code, record_type, source, sequence, errors, raw, raw_length,"
        " raw_sha256, first_seen, last_seen, seen, seen_on_errors)"
        " VALUES (%s, %s, %s, %s, 'web-1/A', %s, %s, %s, %s, %s, %s, %s, 1, 0)",
        [
            *(data.id, data.stage, data.code, data.record_type, number),
            *(json.dumps([{"path": "$", "message": "why"}]), raw, len(raw), data.raw_sha256, START, START),
        ],
    )


def on_the_stream(laptop: Laptop) -> list[bytes]:
    (shard,) = laptop.kinesis.list_shards(StreamName="events")["Shards"]
    iterator = laptop.kinesis.get_shard_iterator(
        StreamName="events", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    return [record["Data"] for record in laptop.kinesis.get_records(ShardIterator=iterator)["Records"]]


def test_mended_rejects_and_failed_records_go_back_once_and_the_table_says_so(
    headrace: Headrace, laptop: Laptop, database: psycopg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "mend.py").write_text(MEND)
    for number in (1, 2):
        keep(database, spoiled(number), number)
    keep(database, b"garbage", 3)
    key = "failed/events/processing-failed/2026/11/21/a"
    laptop.s3.put_object(Bucket=BUCKET, Key=key, Body=failed_line(access(9)) + b"{half")
    mend = ("--mend", str(tmp_path / "mend.py"))
    answer = headrace("replay-errors", *mend, **laptop.variables)
    rows = {line.split()[0]: line.split()[1:] for line in answer.out.splitlines() if line.strip()}
    assert rows["wrong_type"] == ["2", "2", "0", "0", "0"]
    assert rows["not_json"] == ["1", "0", "0", "1", "0"]
    assert rows["Lambda.FunctionError"] == ["1", "1", "0", "0", "0"]
    assert "mend.py:4: JSONDecodeError" in answer.out
    assert f"{key}, line 2: no JSON object" in answer.out
    assert "3 put back" in answer.out
    assert answer.code == 1, "a mend failed, and a line cannot be read"
    numbers = sorted(json.loads(record)["sequence"][-1] for record in on_the_stream(laptop))
    assert numbers == ["1", "2", "9"]
    again = headrace("replay-errors", *mend, "--code", "wrong_type", **laptop.variables)
    assert (again.code, len(on_the_stream(laptop))) == (1, 3)
    assert "nothing to put back" in again.out


def test_a_dry_run_in_json_names_what_would_pass(
    headrace: Headrace, laptop: Laptop, database: psycopg.Connection
) -> None:
    keep(database, access(1), 1)
    keep(database, spoiled(2), 2)
    answer = headrace("replay-errors", "--dry-run", "--json", "--from", "warehouse", **laptop.variables)
    told = json.loads(answer.out)
    assert answer.code == 0
    assert (told["dry_run"], told["put"]) == (True, 0)
    codes = {tally["code"]: (tally["passed"], tally["still_bad"]) for tally in told["codes"]}
    assert codes == {"job_fault": (1, {}), "wrong_type": (0, {"wrong_type": 1})}
    assert on_the_stream(laptop) == []


def test_without_a_bucket_only_the_warehouse_is_asked(
    headrace: Headrace, laptop: Laptop, database: psycopg.Connection
) -> None:
    keep(database, access(1), 1)
    variables = laptop.variables | {"HEADRACE_ARCHIVE_BUCKET": ""}
    assert "1 would go back" in headrace("replay-errors", "--dry-run", **variables).out
    answer = headrace("replay-errors", "--dry-run", "--from", "failed", **variables)
    assert answer.code == 2
    assert "HEADRACE_ARCHIVE_BUCKET" in answer.err


@pytest.mark.parametrize(("since", "found"), [("1h", 0), ("2026-11-21T11:59:59Z", 1), ("99999d", 1)])
def test_since_is_a_time_ago_or_an_instant(
    headrace: Headrace, laptop: Laptop, database: psycopg.Connection, since: str, found: int
) -> None:
    keep(database, access(1), 1)
    database.execute("UPDATE rejects SET first_seen = now() - interval '2 hours' WHERE %s = '1h'", [since])
    answer = headrace("replay-errors", "--dry-run", "--since", since, **laptop.variables)
    assert ("1 would go back" if found else "nothing to put back") in answer.out


def test_a_time_that_is_none_and_a_file_that_is_none_are_told(headrace: Headrace, laptop: Laptop) -> None:
    answer = headrace("replay-errors", "--since", "yesterday", **laptop.variables)
    assert (answer.code, "neither a time ago" in answer.err) == (2, True)
    answer = headrace("replay-errors", "--mend", "nowhere.py", **laptop.variables)
    assert (answer.code, "nowhere.py is no Python file" in answer.err) == (1, True)


def test_trouble_from_data_reaches_the_terminal_escaped(
    headrace: Headrace, laptop: Laptop, database: psycopg.Connection, tmp_path: Path
) -> None:
    keep(database, b"\x1b[2J", 1)
    (tmp_path / "mend.py").write_text("def mend(record):\n    raise ValueError(record.raw.decode())\n")
    answer = headrace("replay-errors", "--mend", str(tmp_path / "mend.py"), **laptop.variables)
    assert "\x1b[2J" not in answer.out
    assert r"mend.py:2: ValueError: \x1b[2J" in answer.out


def test_ctrl_c_ends_it_between_two_requests_and_the_same_command_goes_on(
    warehouse_url: str, database: psycopg.Connection, tmp_path: Path
) -> None:
    database.execute("TRUNCATE rejects, ledger_ranges")
    for number in range(1, 4):
        keep(database, access(number), number)
    with KinesisDouble() as kinesis:
        kinesis.create_stream("events", shards=1)
        kinesis.faults.script("PutRecords", FailRecords(frozenset({1, 2})))
        kinesis.faults.always("PutRecords", FailRecords())
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")},
            "AWS_ENDPOINT_URL": kinesis.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "HEADRACE_WAREHOUSE_URL": warehouse_url,
            "HEADRACE_STATE": str(tmp_path),
        }
        command = [str(PROGRAM), "replay-errors"]
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + 60
            while kinesis.calls.count("PutRecords") < 2:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 130
        assert re.search(r"1 put back .* stopped", out)
        rows = database.execute("SELECT replayed_at IS NULL FROM rejects ORDER BY sequence").fetchall()
        assert sum(unmarked for (unmarked,) in rows) == 2
        kinesis.faults.clear()
        assert subprocess.run(command, env=environ, check=False, stdout=subprocess.PIPE).returncode == 0
        assert len(kinesis.records()) == 3
