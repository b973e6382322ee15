"""How the answers of Lambda and S3 are taken: as an attempt, as a reason to wait, or as a refusal."""

import io
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from headrace.errors import ArchiveRefused, ArchiveUnavailable, TransformUnavailable
from infra.local.delivery.archive_buffer import ArchiveObject
from infra.local.delivery.services import Services
from infra.local.delivery.transform import Answer

OBJECT = ArchiveObject("events/x.gz", b"body", "gzip", 1, {})
SESSION = boto3.session.Session("k", "s", region_name="eu-west-1")


class Stubbed:
    def __init__(self) -> None:
        lambdas, s3 = SESSION.client("lambda"), SESSION.client("s3")
        self.lambdas, self.s3 = Stubber(lambdas), Stubber(s3)
        self.services = Services(lambdas, s3, function="f", bucket="b")
        self.clients: dict[str, Any] = {"lambda": lambdas, "s3": s3}


@pytest.fixture
def stubbed() -> Iterator[Stubbed]:
    stubbed = Stubbed()
    with stubbed.lambdas, stubbed.s3:
        yield stubbed


def body(content: bytes) -> StreamingBody:
    return StreamingBody(io.BytesIO(content), len(content))


def test_a_result_is_returned_as_it_is(stubbed: Stubbed) -> None:
    stubbed.lambdas.add_response(
        "invoke", {"StatusCode": 200, "Payload": body(b"{}")}, {"FunctionName": "f", "Payload": b"event"}
    )
    assert stubbed.services.invoke(b"event") == Answer(b"{}")


def test_the_functions_own_error_is_an_attempt_that_failed(stubbed: Stubbed) -> None:
    answer = {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": body(b'{"errorMessage": "x"}')}
    stubbed.lambdas.add_response("invoke", answer)
    assert stubbed.services.invoke(b"event").failed == '{"errorMessage": "x"}'


@pytest.mark.parametrize(
    ("code", "status"), [("TooManyRequestsException", 429), ("RequestTooLargeException", 413)]
)
def test_lambdas_limits_use_up_an_attempt(stubbed: Stubbed, code: str, status: int) -> None:
    stubbed.lambdas.add_client_error("invoke", code, http_status_code=status)
    assert stubbed.services.invoke(b"event").failed


@pytest.mark.parametrize(
    ("code", "status"),
    [("ResourceNotFoundException", 404), ("AccessDeniedException", 403), ("ServiceException", 500)],
)
def test_a_function_that_cannot_be_called_is_waited_for(stubbed: Stubbed, code: str, status: int) -> None:
    stubbed.lambdas.add_client_error("invoke", code, http_status_code=status)
    with pytest.raises(TransformUnavailable, match=code):
        stubbed.services.invoke(b"event")


def raising(error: Exception) -> Any:
    def call(**_: Any) -> Any:
        raise error

    return call


def test_a_call_that_takes_too_long_is_an_attempt_and_one_that_finds_nobody_is_none(stubbed: Stubbed) -> None:
    stubbed.clients["lambda"].invoke = raising(ReadTimeoutError(endpoint_url="x"))
    assert stubbed.services.invoke(b"event").failed
    for error in (EndpointConnectionError(endpoint_url="x"), ConnectTimeoutError(endpoint_url="x")):
        stubbed.clients["lambda"].invoke = raising(error)
        with pytest.raises(TransformUnavailable):
            stubbed.services.invoke(b"event")


def test_an_object_is_put_with_its_encoding(stubbed: Stubbed) -> None:
    expected = {"Bucket": "b", "Body": b"body", "ContentType": "application/octet-stream"}
    stubbed.s3.add_response("put_object", {}, expected | {"Key": "events/x.gz", "ContentEncoding": "gzip"})
    stubbed.s3.add_response("put_object", {}, expected | {"Key": "failed/x"})
    stubbed.services.put(OBJECT)
    stubbed.services.put(OBJECT._replace(key="failed/x", encoding=""))


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("SlowDown", 503, ArchiveUnavailable),
        ("InternalError", 500, ArchiveUnavailable),
        ("RequestTimeout", 400, ArchiveUnavailable),
        ("AccessDenied", 403, ArchiveRefused),
        ("NoSuchBucket", 404, ArchiveRefused),
    ],
)
def test_a_bucket_is_away_or_refuses(stubbed: Stubbed, code: str, status: int, kind: type[Exception]) -> None:
    stubbed.s3.add_client_error("put_object", code, http_status_code=status)
    with pytest.raises(kind, match=r"s3://b/events/x\.gz"):
        stubbed.services.put(OBJECT)


def test_no_answer_of_s3_is_waited_for(stubbed: Stubbed) -> None:
    stubbed.clients["s3"].put_object = raising(EndpointConnectionError(endpoint_url="x"))
    with pytest.raises(ArchiveUnavailable):
        stubbed.services.put(OBJECT)
