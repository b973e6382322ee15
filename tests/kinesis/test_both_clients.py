"""Our client and boto3's core put the same bytes on the wire, sign them alike, and end in the same errors."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from headrace import errors
from headrace.kinesis.boto3_client import Boto3Client
from headrace.kinesis.client import KinesisClient, connect
from headrace.kinesis.endpoint import resolve
from headrace.kinesis.messages import PutEntry
from headrace.kinesis.port import Kinesis
from headrace.ops.clock import SystemClock
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble, Request
from tests.doubles.kinesis_faults import FailRecords, Fault, Refuse, Reset, Stall

GOLDEN = [
    PutEntry(bytes(range(256)), "k"),
    PutEntry(b"", 'kéy "quoted"\\ \u2028\U0001f600'),
    PutEntry(b"\xff" * 1_000, "a", str(2**128 - 1)),
    PutEntry(b'{"json":"\\u0000"}', "\t", "0"),
]
ONE = [PutEntry(b"x", "k")]
Connect = Callable[..., Kinesis]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a token")


@pytest.fixture
def kinesis() -> Iterator[KinesisDouble]:
    with KinesisDouble() as double:
        double.create_stream("events", shards=4)
        double.requests = []
        yield double


@pytest.fixture(params=["headrace", "boto3"])
def client(request: pytest.FixtureRequest, kinesis: KinesisDouble) -> Iterator[Kinesis]:
    client = connect(SystemClock(), endpoint_url=kinesis.url, sdk=request.param)
    assert isinstance(client, KinesisClient if request.param == "headrace" else Boto3Client)
    yield client
    client.close()


def both(kinesis: KinesisDouble, ask: Callable[[Kinesis], object]) -> tuple[Request, Request]:
    """What each client sends for it."""
    for sdk in ("headrace", "boto3"):
        client = connect(SystemClock(), endpoint_url=kinesis.url, sdk=sdk)
        ask(client)
        client.close()
    assert kinesis.requests is not None
    ours, theirs = kinesis.requests
    return ours, theirs


def signature_of(request: Request) -> str:
    """What botocore signs these very bytes with, at the time and of the headers that the request names."""
    signed = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    own = {name: request.headers[name] for name in signed if name != "x-amz-date"}
    time = datetime.strptime(request.headers["x-amz-date"], SIGV4_TIMESTAMP)  # noqa: DTZ007  as botocore has it
    again = AWSRequest("POST", f"http://{request.headers['host']}/", headers=own, data=request.body)
    keys = ReadOnlyCredentials("AKID", "secret", own.pop("x-amz-security-token", None))
    with patch("botocore.auth.get_current_datetime", return_value=time):
        SigV4Auth(keys, "kinesis", "eu-west-1").add_auth(again)
    return str(again.headers["Authorization"])


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda client: client.put_records("events", GOLDEN), id="PutRecords"),
        pytest.param(lambda client: client.list_shards("events"), id="ListShards"),
        pytest.param(lambda client: client.describe_stream_summary("events"), id="DescribeStreamSummary"),
        pytest.param(
            lambda client: client.get_shard_iterator("events", "shardId-000000000000", "TRIM_HORIZON"),
            id="GetShardIterator",
        ),
    ],
)
def test_both_send_the_same_and_sign_it_as_botocore_does(
    kinesis: KinesisDouble, ask: Callable[[Kinesis], object]
) -> None:
    ours, theirs = both(kinesis, ask)
    assert json.loads(ours.body) == json.loads(theirs.body)
    for header in ("x-amz-target", "content-type", "host", "x-amz-security-token"):
        assert ours.headers[header] == theirs.headers[header]
    assert {"host", "content-type", "x-amz-target", "x-amz-security-token"} <= set(
        ours.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    )
    for request in (ours, theirs):
        assert request.headers["authorization"] == signature_of(request)


def test_both_answer_alike(kinesis: KinesisDouble) -> None:
    for at, entry in enumerate(GOLDEN):
        kinesis.put("events", entry.data + bytes([at]), "k", "0")
    ours, theirs = (
        connect(SystemClock(), endpoint_url=kinesis.url, sdk=sdk) for sdk in ("headrace", "boto3")
    )
    assert ours.list_shards("events") == theirs.list_shards("events")
    assert ours.describe_stream_summary("events") == theirs.describe_stream_summary("events")
    read = [
        client.get_records(client.get_shard_iterator("events", "shardId-000000000000", "TRIM_HORIZON")).answer
        for client in (ours, theirs)
    ]
    assert read[0].records == read[1].records
    assert len(read[0].records) == len(GOLDEN)
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Refuse(), errors.KinesisUnavailable),
        (Refuse(status=503), errors.KinesisUnavailable),
        (Refuse("ProvisionedThroughputExceededException", 400), errors.KinesisThrottled),
        (Refuse("AccessDeniedException", 400), errors.KinesisRefused),
        (Refuse("ResourceNotFoundException", 400), errors.KinesisNotFound),
        (Refuse("ResourceInUseException", 400), errors.StreamInUse),
        (Refuse("SomethingNew", 429), errors.KinesisThrottled),
        (Reset(), errors.KinesisUnavailable),
        (Reset(after=True), errors.KinesisUnavailable),
    ],
)
def test_a_fault_is_raised_alike_and_nothing_is_sent_twice(
    client: Kinesis, kinesis: KinesisDouble, fault: Fault, kind: type[Exception]
) -> None:
    kinesis.faults.script("PutRecords", fault)
    with pytest.raises(errors.HeadraceError) as raised:
        client.put_records("events", ONE)
    assert type(raised.value) is kind
    assert kinesis.calls == ["PutRecords"]
    client.put_records("events", ONE)


def test_failed_entries_are_told_apart(client: Kinesis, kinesis: KinesisDouble) -> None:
    kinesis.faults.script("PutRecords", FailRecords(frozenset({1})))
    results = client.put_records("events", ONE * 3)
    assert [result.error_code for result in results] == [None, "ProvisionedThroughputExceededException", None]


@pytest.mark.parametrize("sdk", [KinesisClient, Boto3Client])
def test_an_answer_that_does_not_come_is_waited_for_so_long_and_no_longer(
    kinesis: KinesisDouble, sdk: type[Kinesis]
) -> None:
    client = (
        Boto3Client(SystemClock(), endpoint_url=kinesis.url, read_seconds=0.2)
        if sdk is Boto3Client
        else KinesisClient(resolve(endpoint_url=kinesis.url), SystemClock(), read_seconds=0.2)
    )
    kinesis.faults.script("PutRecords", Stall(after=True))
    with pytest.raises(errors.KinesisUnavailable, match=r"(?i)timed? ?out"):
        client.put_records("events", ONE)
    assert (kinesis.calls, len(kinesis.records())) == (["PutRecords"], 1)
    client.close()


def test_a_service_that_is_down(client: Kinesis, kinesis: KinesisDouble) -> None:
    kinesis.down()
    with pytest.raises(errors.KinesisUnavailable):
        client.put_records("events", ONE)


@pytest.mark.parametrize("sdk", ["headrace", "boto3"])
def test_a_clock_that_the_service_doubts_is_set_right_once(sdk: str) -> None:
    theirs = ManualClock(datetime.now(UTC) + timedelta(hours=1))
    with KinesisDouble(theirs) as kinesis:
        kinesis.create_stream("events", shards=1)
        kinesis.check_signature_time, kinesis.requests = True, []
        client = connect(SystemClock(), endpoint_url=kinesis.url, sdk=sdk)  # type: ignore[arg-type]
        client.put_records("events", ONE)
        client.put_records("events", GOLDEN)
        client.close()
        assert kinesis.calls == ["PutRecords"] * 3
        for request in kinesis.requests:
            assert request.headers["authorization"] == signature_of(request)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_behind_a_proxy_boto3_carries_the_calls(
    kinesis: KinesisDouble, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, kinesis.url)  # the double takes a proxy's request line too
    client = connect(SystemClock(), endpoint_url="http://kinesis.nowhere.example")
    assert isinstance(client, Boto3Client)
    client.put_records("events", ONE)
    client.close()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = connect(SystemClock(), endpoint_url=kinesis.url)
    assert isinstance(client, KinesisClient)
    client.put_records("events", ONE)
    client.close()
    assert [request.headers["host"] for request in kinesis.requests or ()] == [
        "kinesis.nowhere.example",
        kinesis.url.removeprefix("http://"),
    ]


def test_threads_share_it(client: Kinesis, kinesis: KinesisDouble) -> None:
    together = threading.Barrier(4)

    def put(n: int) -> None:
        together.wait()
        for m in range(10):
            client.put_records("events", [PutEntry(b"%d %d" % (n, m), "k")])

    threads = [threading.Thread(target=put, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({record.data for record in kinesis.records()}) == 40


@pytest.mark.parametrize("sdk", ["headrace", "boto3"])
@pytest.mark.parametrize("missing", ["AWS_REGION", "AWS_ACCESS_KEY_ID"])
def test_what_is_not_set_is_said_at_the_start(
    monkeypatch: pytest.MonkeyPatch, sdk: str, missing: str
) -> None:
    for name in (missing, "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(errors.SettingsError):
        connect(SystemClock(), sdk=sdk)  # type: ignore[arg-type]
