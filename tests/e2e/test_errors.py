"""The way out and back on the real local stack: the archive, the error streams, and replays."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import boto3
import duckdb
import localstack_client.session
import pytest

from tests.e2e import stranger
from tests.e2e.laptop import Laptop
from tests.producers.processes import wait_for

pytestmark = [pytest.mark.spark, pytest.mark.stack, pytest.mark.timeout(600)]

SOURCES = ("shop/1", "shop/2")
FIRST, WHOLE, BAD = 300, 900, 40
FUNCTION = "headrace-transform"
PATIENCE = 90
MEND = """
import json

def mend(record):
    if record.code != "wrong_type":
        return None
    event = json.loads(record.raw)
    event["data"]["status"] = int(event["data"]["status"])
    return json.dumps(event).encode()
"""


def spoiled(event: dict[str, Any]) -> dict[str, Any]:
    """The event with its status as text, which a person can mend."""
    return event | {"data": event["data"] | {"status": str(event["data"]["status"])}}


def test_what_goes_wrong_is_split_off_kept_and_brought_back(
    laptop: Laptop, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_DELIVERY_SECONDS", "1")
    monkeypatch.setenv("HEADRACE_ARCHIVE_SECONDS", "10")
    laptop.headrace("up")
    for name, value in laptop.aws().items():
        monkeypatch.setenv(name, value)
    stream, bucket = laptop.aws()["HEADRACE_STREAM"], laptop.aws()["HEADRACE_ARCHIVE_BUCKET"]
    events = list(stranger.records_of(log, SOURCES))[:WHOLE]
    bad = {(event["source"], int(event["sequence"])) for event in events[-BAD:]}
    messages = [stranger.encode(event) for event in events[:-BAD]]
    messages += [stranger.encode(spoiled(event)) for event in events[-BAD:]]

    working = broken_function()
    stranger.send(stream, messages[:FIRST], seed=1)
    wait_for(lambda: len(failed_lines(bucket)) == FIRST, PATIENCE)
    assert {line["errorCode"] for line in failed_lines(bucket)} == {"Lambda.FunctionError"}
    repaired_function(working)
    stranger.send(stream, messages[FIRST:] + stranger.GARBAGE, seed=2)

    report = laptop.reconcile("--archive", "--wait", "90", code=1)
    assert totals(report, "counted", "rejected", "missing") == (WHOLE - BAD, BAD, 0)
    assert totals(report, "archived", "archive_missing", "archive_extra") == (WHOLE - BAD - FIRST, FIRST, 0)
    assert archived(bucket, tmp_path) == {numbered(event) for event in events[FIRST:-BAD]}

    laptop.headrace("replay-errors", "--from", "failed")
    report = laptop.reconcile("--archive", "--wait", "90", code=0)
    assert totals(report, "archived", "archive_missing") == (WHOLE - BAD, 0)
    assert totals(report, "counted", "duplicates_dropped") == (WHOLE - BAD, FIRST)
    wait_for(lambda: rejects(laptop, "seen_on_errors > 0") == BAD + len(stranger.GARBAGE), PATIENCE)
    assert laptop.rows("select * from rejects where stage <> 'stream_job,transform'") == []

    mend = tmp_path / "mend.py"
    mend.write_text(MEND)
    dry = json.loads(laptop.headrace("replay-errors", "--mend", str(mend), "--dry-run", "--json"))
    assert rejects(laptop, "replayed_at is not null") == 0, dry
    laptop.headrace("replay-errors", "--mend", str(mend))
    laptop.headrace("replay-errors", "--mend", str(mend))
    report = laptop.reconcile("--archive", "--wait", "90", code=0)
    assert totals(report, "counted", "rejected", "replayed", "archived") == (WHOLE, 0, BAD, WHOLE)
    assert archived(bucket, tmp_path) == {numbered(event) for event in events}
    assert rejects(laptop, "replayed_at is not null") == BAD == len(bad)
    windows = laptop.rows("select sum(records) as n from web_traffic_1m")
    assert int(windows[0]["n"]) == WHOLE


def numbered(event: dict[str, Any]) -> tuple[str, int]:
    return event["source"], int(event["sequence"])


def totals(report: dict[str, Any], *names: str) -> tuple[int, ...]:
    found = [source for source in report["sources"] if source["source"] in SOURCES]
    assert len(found) == len(SOURCES)
    return tuple(sum(source[name] for source in found) for name in names)


def rejects(laptop: Laptop, condition: str) -> int:
    return int(laptop.rows(f"select count(*) as n from rejects where {condition}")[0]["n"])


def broken_function() -> str:
    """The function fails from now on; what it called before."""
    client = boto3.client("lambda")
    working: str = client.get_function_configuration(FunctionName=FUNCTION)["Handler"]
    client.update_function_configuration(FunctionName=FUNCTION, Handler="lambdas.transform.nothing.handle")
    return working


def repaired_function(handler: str) -> None:
    boto3.client("lambda").update_function_configuration(FunctionName=FUNCTION, Handler=handler)


def objects(bucket: str, prefix: str) -> list[bytes]:
    """Every object below a prefix, read by a client that is none of ours."""
    s3 = localstack_client.session.Session().client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]


def failed_lines(bucket: str) -> list[dict[str, Any]]:
    plain = [
        gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data for data in objects(bucket, "failed/")
    ]
    return [json.loads(line) for data in plain for line in data.splitlines()]


def archived(bucket: str, folder: Path) -> set[tuple[str, int]]:
    """(source, sequence) of every line of the archive, as DuckDB reads them."""
    target = folder / f"archive-{time.monotonic_ns()}"
    target.mkdir()
    for at, data in enumerate(objects(bucket, "events/type=web_access.v1/")):
        (target / f"{at}.json.gz").write_bytes(data)
    query = f"select _source, _sequence from read_json('{target}/*.gz', format='newline_delimited')"
    return {(source, int(sequence)) for source, sequence in duckdb.execute(query).fetchall()}
