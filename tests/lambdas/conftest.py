from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble


@pytest.fixture
def kinesis(clock: ManualClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[KinesisDouble]:
    """The double, with a stream `errors`, where botocore looks for Kinesis."""
    for name in ("AWS_PROFILE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with KinesisDouble(clock) as double:
        double.create_stream("errors", shards=2)
        monkeypatch.setenv("AWS_ENDPOINT_URL", double.url)
        yield double
