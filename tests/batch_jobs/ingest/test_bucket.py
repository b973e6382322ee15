"""Ingest where the root is a bucket: the emulator's S3."""

import io
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest

from batch_jobs.ingest import ingest
from batch_jobs.ingest.loan_file import LoanFile
from batch_jobs.ingest.names import LoanName
from batch_jobs.ingest.raw_area import read_to_keep
from batch_jobs.manifest import inputs
from batch_jobs.storage import Storage
from headrace.errors import InputRefused
from headrace.ops.clock import SystemClock
from infra.local import emulator
from infra.local.state import State
from tests.batch_jobs.ingest.loan_text import originations, performance, zipped
from tests.doubles.clock import ManualClock

pytestmark = pytest.mark.stack


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[dict[str, str]]:
    state = State(tmp_path / ".headrace")
    background = emulator.start(state, os.environ, SystemClock(), preferred=0)
    yield {
        "AWS_ENDPOINT_URL": emulator.endpoint(background),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    emulator.stop(state, SystemClock())


def objects(s3: Any) -> dict[str, object]:
    """When each object was written, by its key."""
    found = s3.list_objects_v2(Bucket="loans").get("Contents", ())
    return {entry["Key"]: entry["LastModified"] for entry in found}


def test_text_goes_into_the_bucket_once_and_whole(
    tmp_path: Path, aws: dict[str, str], clock: ManualClock
) -> None:
    s3 = boto3.session.Session("test", "test", region_name="us-east-1").client(
        "s3", endpoint_url=aws["AWS_ENDPOINT_URL"]
    )
    s3.create_bucket(Bucket="loans")
    archive, text, bad = (tmp_path / name for name in ("q.zip", "orig_2005Q1.txt", "bad.zip"))
    archive.write_bytes(zipped({"perf_2005Q1.txt": performance(losses=("1.00",))}))
    text.write_bytes(originations())
    bad.write_bytes(zipped({"orig_2005Q2.txt": originations()}))
    storage = Storage("s3://loans/book", aws)
    taken = ingest([archive, text], storage, clock)
    assert [(one.outcome, one.input.held) for one in taken] == [("new", True), ("new", True)]
    assert storage.read(taken[0].input.path) == performance(losses=("1.00",))
    assert storage.read(taken[1].input.path) == originations()
    assert inputs(storage, "performance") == [taken[0].input]
    there = objects(s3)
    assert len(there) == 4
    with pytest.raises(InputRefused, match="named 2005Q2"):
        ingest([bad], storage, clock)
    contents = iter((originations(), originations(6)))
    changing = LoanFile(
        LoanName("orig_2005Q1.txt", "origination", "2005Q1"),
        *("q.zip > orig_2005Q1.txt", None, 1, 1),
        lambda: closing(io.BytesIO(next(contents))),
    )
    with (
        read_to_keep(changing, storage, lambda _: None) as (_, keep),
        pytest.raises(InputRefused, match="chan"),
    ):
        keep()
    assert [one.outcome for one in ingest([text, archive], storage, clock)] == ["taken already"] * 2
    assert objects(s3) == there
