"""Our signature against botocore's, which is the oracle."""

from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from headrace.kinesis.signature import Keys, sign

TIME = datetime(2026, 11, 21, 12, 30, 59, tzinfo=UTC)
words = st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


def by_botocore(keys: Keys, region: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
    request = AWSRequest("POST", f"https://{headers['Host']}/", headers=headers, data=body)
    credentials = ReadOnlyCredentials(keys.access_key, keys.secret_key, keys.token)
    with patch("botocore.auth.get_current_datetime", return_value=TIME.replace(tzinfo=None)):
        SigV4Auth(credentials, "kinesis", region).add_auth(request)
    return dict(request.headers.items())


@given(words, words, st.none() | words, st.sampled_from(["eu-west-1", "us-gov-east-1"]), st.binary())
def test_we_sign_as_botocore_does(
    access: str, secret: str, token: str | None, region: str, body: bytes
) -> None:
    keys = Keys(access, secret, token)
    headers = {
        "Host": "kinesis.example:4567",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "Kinesis_20131202.PutRecords",
    }
    assert sign(keys, region, "/", headers, body, time=TIME) == by_botocore(keys, region, headers, body)


@pytest.mark.parametrize("show", [repr, str])
def test_keys_do_not_print_their_secret(show: type[str]) -> None:
    assert "hidden" not in show(Keys("AKID", "hidden", "hidden token"))
