"""`headrace reconcile --archive` against objects in the emulator's S3."""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import duckdb
import psycopg
import pytest

from headrace.ops.clock import SystemClock
from infra.local import emulator
from infra.local.state import State
from tests.cli.conftest import Headrace

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("reconcile archive")]

BUCKET = "archive-of-the-test"
HOUR = "events/type=web_access.v1/date=2026-01-02/hour=03"
LONG_AGO = "now() - interval '1 hour'"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that points at an emulator of this module's own."""
    state, clock = State(tmp_path_factory.mktemp("aws") / ".headrace"), SystemClock()
    background = emulator.start(state, os.environ, clock, preferred=0)
    yield {
        "AWS_ENDPOINT_URL": emulator.endpoint(background),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "HEADRACE_ARCHIVE_BUCKET": BUCKET,
    }
    emulator.stop(state, clock)


def line(source: str, number: int) -> str:
    stamp = "2026-01-02T03:04:05.678901Z"
    record = {
        "path": "/a",
        "_source": source,
        "_sequence": number,
        "_event_time": stamp,
        "_ingested_at": stamp,
    }
    return json.dumps(record) + "\n"


@pytest.fixture
def lines(aws: dict[str, str], database: psycopg.Connection, tmp_path: Path) -> Path:
    """Books of two sources and an archive with copies, a gap and a stranger; a folder with its lines."""
    database.execute(
        "TRUNCATE ledger_ranges, ledger_sources, ledger_outputs, ledger_types, shard_progress,"
        " archive_objects, archive_ranges, archive_gaps"
    )
    for source, last in (("web-1", 50), ("web-2", 20)):
        database.execute("INSERT INTO ledger_ranges VALUES (%s, 'counted', 1, %s)", [source, last])
        database.execute(
            f"INSERT INTO ledger_sources VALUES (%s, %s, 0, %s, %s, true, {LONG_AGO}, 0, {LONG_AGO})",
            [source, last, last, last],
        )
    database.execute("INSERT INTO ledger_types VALUES ('web_access.v1', 70)")
    database.execute(
        "INSERT INTO shard_progress VALUES"
        " ('events', 's', '1', now() + interval '1 hour', false, '', '', now())"
    )
    s3 = boto3.client(
        "s3",
        endpoint_url=aws["AWS_ENDPOINT_URL"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    s3.create_bucket(Bucket=BUCKET)
    held = {
        "one": [line("web-1", n) for n in range(1, 31)] + [line("web-2", n) for n in range(1, 21)],
        "two": [line("web-1", n) for n in range(25, 48)] + [line("web-3", 9)],
    }
    for name, some in held.items():
        (tmp_path / f"{name}.json").write_text("".join(some))
        s3.put_object(Bucket=BUCKET, Key=f"{HOUR}/{name}.gz", Body=gzip.compress("".join(some).encode()))
    s3.put_object(Bucket=BUCKET, Key="failed/events/processing-failed/x", Body=b"no line of the archive")
    return tmp_path


def test_the_account_is_what_duckdb_makes_of_the_lines(
    headrace: Headrace, warehouse_url: str, aws: dict[str, str], lines: Path
) -> None:
    environ = aws | {"HEADRACE_WAREHOUSE_URL": warehouse_url}
    answer = headrace("reconcile", "--archive", "--json", **environ)
    assert answer.code == 1, answer
    report = json.loads(answer.out)
    of_lines = f"from read_json('{lines}/*.json')"
    truth = dict(
        duckdb.execute(f"select _source, count(distinct _sequence) {of_lines} group by 1").fetchall()
    )
    assert {source["source"]: source["archived"] for source in report["sources"]} == truth
    assert {source["source"]: source["archive_missing"] for source in report["sources"]} == {
        "web-1": 3,
        "web-2": 0,
        "web-3": 0,
    }
    [(records, distinct)] = duckdb.execute(
        f"select count(*), count(distinct (_source, _sequence)) {of_lines}"
    ).fetchall()
    assert report["archive"] == {"objects": 2, "records": records, "duplicates": records - distinct}
    assert [source["archive_extra"] for source in report["sources"]] == [0, 0, 1]


@pytest.mark.usefixtures("lines")
def test_a_person_is_told_what_the_archive_lacks_and_what_it_holds_too_much(
    headrace: Headrace, warehouse_url: str, aws: dict[str, str]
) -> None:
    answer = headrace("reconcile", "--archive", **aws | {"HEADRACE_WAREHOUSE_URL": warehouse_url})
    assert answer.code == 1
    assert "archive: 2 objects, 74 records, 6 copies" in answer.out
    assert "the archive lacks 3 of web-1: 48-50" in answer.out
    assert "the archive holds 1 of web-3 that the ledger does not know" in answer.out


@pytest.mark.usefixtures("lines")
def test_the_buffers_of_the_delivery_can_be_set(
    headrace: Headrace, warehouse_url: str, aws: dict[str, str]
) -> None:
    environ = aws | {"HEADRACE_WAREHOUSE_URL": warehouse_url, "HEADRACE_ARCHIVE_SECONDS": "100000"}
    answer = headrace("reconcile", "--archive", **environ)
    assert "web-1 has 3 in flight to the archive (--wait lets them arrive)" in answer.out


def test_without_an_archive_the_remedy_is_told(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace("reconcile", "--archive", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert answer.code != 0
    assert "HEADRACE_ARCHIVE_BUCKET names no bucket" in answer.err
    assert "headrace up" in answer.err
