"""Credentials that end, are renewed, or are those of a role: by botocore's own chain, for both clients."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from headrace import errors
from headrace.kinesis.client import connect
from headrace.kinesis.endpoint import resolve
from headrace.kinesis.messages import PutEntry
from headrace.kinesis.port import Kinesis
from headrace.ops.clock import SystemClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import Refuse

ONE = [PutEntry(b"x", "k")]
ENDED = Refuse("ExpiredTokenException", 400)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")


@pytest.fixture
def kinesis() -> Iterator[KinesisDouble]:
    with KinesisDouble() as double:
        double.create_stream("events", shards=1)
        double.requests = []
        yield double


@pytest.fixture(params=["headrace", "boto3"])
def sdk(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def connected(kinesis: KinesisDouble, sdk: str) -> Kinesis:
    return connect(SystemClock(), endpoint_url=kinesis.url, sdk=sdk)  # type: ignore[arg-type]


def keys(kinesis: KinesisDouble) -> list[str]:
    """The access key of each request."""
    return [
        request.headers["authorization"].partition("Credential=")[2].partition("/")[0]
        for request in kinesis.requests or ()
    ]


def tokens(kinesis: KinesisDouble) -> list[str]:
    return [request.headers["x-amz-security-token"] for request in kinesis.requests or ()]


def write_temporary(tmp_path: Path, token: str) -> None:
    (tmp_path / "credentials").write_text(
        f"[default]\naws_access_key_id = AKID\naws_secret_access_key = secret\naws_session_token = {token}\n"
    )


def test_keys_that_end_soon_are_renewed_before_each_request(
    kinesis: KinesisDouble, sdk: str, tmp_path: Path
) -> None:
    expiry = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()
    provider = tmp_path / "provider"
    provider.write_text(
        f"""#!/bin/sh
echo >> {tmp_path}/asked
n=$(wc -l < {tmp_path}/asked)
echo "{{\\"Version\\": 1, \\"AccessKeyId\\": \\"AKID$n\\", \\"SecretAccessKey\\": \\"s\\", \
\\"SessionToken\\": \\"t\\", \\"Expiration\\": \\"{expiry}\\"}}"
"""
    )
    provider.chmod(0o700)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {provider}\n")
    client = connected(kinesis, sdk)
    for _ in range(3):
        client.put_records("events", ONE)
    client.close()
    assert len(set(keys(kinesis))) == 3


def test_keys_that_the_service_says_have_ended_are_found_anew_and_the_call_made_once_more(
    kinesis: KinesisDouble, sdk: str, tmp_path: Path
) -> None:
    write_temporary(tmp_path, "first")
    client = connected(kinesis, sdk)
    client.put_records("events", ONE)
    write_temporary(tmp_path, "second")
    kinesis.faults.script("PutRecords", ENDED)
    client.put_records("events", ONE)
    client.put_records("events", ONE)
    client.close()
    assert tokens(kinesis) == ["first", "first", "second", "second"]
    assert len(kinesis.records()) == 3


def test_keys_that_stay_ended_are_waited_for(kinesis: KinesisDouble, sdk: str, tmp_path: Path) -> None:
    write_temporary(tmp_path, "first")
    client = connected(kinesis, sdk)
    kinesis.faults.script("PutRecords", ENDED, ENDED)
    with pytest.raises(errors.KinesisUnavailable, match="ExpiredToken"):
        client.put_records("events", ONE)
    assert kinesis.calls == ["PutRecords"] * 2
    client.put_records("events", ONE)
    client.close()


def test_of_threads_whose_keys_have_ended_one_finds_them_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_temporary(tmp_path, "first")
    endpoint = resolve(endpoint_url="http://127.0.0.1:1")
    ended = endpoint.keys()
    assert endpoint.renew is not None
    write_temporary(tmp_path, "second")
    endpoint.renew(ended)
    write_temporary(tmp_path, "third")
    endpoint.renew(ended)
    assert endpoint.keys().token == "second"
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(errors.KinesisUnavailable, match="found anew"):
        endpoint.renew(endpoint.keys())


class Sts(ThreadingHTTPServer):
    """Gives a new set of keys, which ends in a minute, to whoever may assume the one role."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[dict[str, list[str]]] = []
        super().__init__(("127.0.0.1", 0), _Answer)


class _Answer(BaseHTTPRequestHandler):
    server: Sts

    def do_POST(self) -> None:  # the name that http.server asks for
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.asked.append(asked)
        number = len(self.server.asked)
        expiry = (datetime.now(UTC) + timedelta(seconds=60)).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
          <Credentials><AccessKeyId>ROLE{number}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
          <SessionToken>role token</SessionToken><Expiration>{expiry}</Expiration></Credentials>
          <AssumedRoleUser><Arn>arn:aws:sts::000000000000:assumed-role/put/x</Arn>
          <AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser>
          </AssumeRoleResult></AssumeRoleResponse>""".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def sts() -> Iterator[Sts]:
    with Sts() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def test_a_role_of_the_profile_is_assumed_and_assumed_again_before_its_keys_end(
    kinesis: KinesisDouble, sdk: str, sts: Sts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(
        "[profile producer]\nrole_arn = arn:aws:iam::000000000000:role/put\nsource_profile = base\n"
        "external_id = headrace\n[profile base]\naws_access_key_id = BASE\naws_secret_access_key = s\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "producer")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{sts.server_port}")
    client = connected(kinesis, sdk)
    client.put_records("events", ONE)
    client.put_records("events", ONE)
    client.close()
    assert all(key.startswith("ROLE") for key in keys(kinesis))
    assert len(set(keys(kinesis))) == 2
    assert sts.asked[0]["RoleArn"] == ["arn:aws:iam::000000000000:role/put"]
    assert sts.asked[0]["ExternalId"] == ["headrace"]
