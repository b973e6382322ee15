"""Where the client goes and as whom, by the rules of every AWS SDK."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.credentials import RefreshableCredentials

from headrace.errors import KinesisUnavailable, SettingsError
from headrace.kinesis.endpoint import frozen_keys, resolve


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_the_real_service_by_default() -> None:
    endpoint = resolve()
    assert (endpoint.url, endpoint.region) == ("https://kinesis.eu-west-1.amazonaws.com", "eu-west-1")
    assert endpoint.keys().access_key == "AKID"
    assert endpoint.ca_bundle is not None
    assert Path(endpoint.ca_bundle).exists()


def test_the_endpoint_of_the_environment_and_the_one_of_the_service_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert resolve().url == "http://127.0.0.1:4566"
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", "http://127.0.0.1:4567")
    assert resolve().url == "http://127.0.0.1:4567"
    assert resolve(endpoint_url="http://127.0.0.1:4568").url == "http://127.0.0.1:4568"


def test_a_session_token_is_taken_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert resolve().keys().token == "token"


def test_the_region_is_read_as_every_sdk_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert resolve().region == "eu-west-3"
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert resolve().region == "eu-west-3"
    assert resolve(region="us-west-2").region == "us-west-2"


def test_no_region_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SettingsError, match="AWS_REGION"):
        resolve()


def test_no_credentials_are_said_with_their_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SettingsError, match="AWS_ACCESS_KEY_ID"):
        resolve()


@pytest.mark.parametrize("url", ["127.0.0.1:4566", "no url"])
def test_an_endpoint_that_is_no_url_is_said(url: str) -> None:
    with pytest.raises(SettingsError, match="cannot be used"):
        resolve(endpoint_url=url)


def test_an_unknown_profile_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(SettingsError, match="nobody"):
        resolve()


def temporary(number: int, life: timedelta) -> dict[str, str]:
    expiry = (datetime.now(UTC) + life).isoformat()
    return {"access_key": f"AKID{number}", "secret_key": "s", "token": f"t{number}", "expiry_time": expiry}


def test_credentials_that_end_soon_are_renewed_before_they_are_used() -> None:
    renewed = RefreshableCredentials.create_from_metadata(
        temporary(1, timedelta(seconds=30)), lambda: temporary(2, timedelta(hours=1)), "test"
    )
    assert frozen_keys(renewed).token == "t2"


def test_credentials_that_cannot_be_renewed_are_waited_for() -> None:
    stale = RefreshableCredentials.create_from_metadata(
        temporary(1, timedelta(seconds=-30)), lambda: temporary(2, timedelta(seconds=-30)), "test"
    )
    with pytest.raises(KinesisUnavailable, match="refreshed"):
        frozen_keys(stale)
