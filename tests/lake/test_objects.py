import gzip
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
import pytest

from headrace.errors import ArchiveRefused, ArchiveUnavailable, SettingsError
from headrace.lake.objects import Lake, connect
from headrace.ops.clock import SystemClock
from infra.local import emulator
from infra.local.state import State

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.stack
BUCKET = "archive-test"


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that points at an emulator of this module's own."""
    state, clock = State(tmp_path_factory.mktemp("lake") / ".headrace"), SystemClock()
    background = emulator.start(state, os.environ, clock, preferred=0)
    yield {
        "AWS_ENDPOINT_URL": emulator.endpoint(background),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    emulator.stop(state, clock)


@pytest.fixture(scope="module")
def s3(environ: dict[str, str]) -> "S3Client":
    client = boto3.client(
        "s3",
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def lake(environ: dict[str, str], s3: "S3Client") -> Lake:  # noqa: ARG001  it made the bucket
    return connect(BUCKET, environ)


def test_every_object_below_a_prefix_is_listed_once_over_all_pages(lake: Lake, s3: "S3Client") -> None:
    keys = [f"many/{number:04}" for number in range(1_003)]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    s3.put_object(Bucket=BUCKET, Key="other/1", Body=b"x")
    found = list(lake.list("many/"))
    assert [info.key for info in found] == keys
    assert found[0].size == 1
    assert found[0].etag == "9dd4e461268c8034f5c8564e155c67a6"  # MD5 of x
    assert abs((datetime.now(UTC) - found[0].modified).total_seconds()) < 3_600
    assert list(lake.list("none/")) == []


def test_an_object_is_read_plain_or_unpacked_whatever_it_is_called(lake: Lake, s3: "S3Client") -> None:
    packed = gzip.compress(b"one\n") + gzip.compress(b"two\n")
    for key, body in (("plain", b"one\ntwo\n"), ("packed.gz", packed), ("packed", packed), ("empty", b"")):
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    assert lake.read("plain") == lake.read("packed.gz") == lake.read("packed") == b"one\ntwo\n"
    assert lake.read("empty") == b""


def test_what_is_not_there_or_damaged_is_refused_by_name(
    lake: Lake, s3: "S3Client", environ: dict[str, str]
) -> None:
    s3.put_object(Bucket=BUCKET, Key="cut", Body=gzip.compress(b"one\n" * 1_000)[:-9])
    with pytest.raises(ArchiveRefused, match=f"s3://{BUCKET}, absent"):
        lake.read("absent")
    with pytest.raises(ArchiveRefused, match=f"s3://{BUCKET}/cut is damaged"):
        lake.read("cut")
    with pytest.raises(ArchiveRefused, match="s3://no-such-bucket, listing events/"):
        list(connect("no-such-bucket", environ).list("events/"))


def test_an_endpoint_that_does_not_answer_is_worth_another_attempt(environ: dict[str, str]) -> None:
    away = connect(BUCKET, environ | {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"})
    with pytest.raises(ArchiveUnavailable, match="listing events/"):
        list(away.list("events/"))


def test_settings_that_cannot_be_used_are_told(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        connect(BUCKET, environ | {"AWS_ENDPOINT_URL": "nonsense"})
    with pytest.raises(SettingsError, match="Not A Bucket"):
        connect("Not A Bucket", environ).read("key")
