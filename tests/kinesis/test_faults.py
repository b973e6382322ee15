"""Every error that Kinesis may answer has a fate, proved on the service model that botocore ships."""

import botocore.session
import msgspec
import pytest

from headrace import errors
from headrace.kinesis.faults import FATES, read_fault

OPERATIONS = [
    "PutRecords",
    "GetRecords",
    "GetShardIterator",
    "ListShards",
    "DescribeStreamSummary",
    "CreateStream",
    "DeleteStream",
]
SERVICE = botocore.session.Session().get_service_model("kinesis")
PAIRS = [(name, shape.name) for name in OPERATIONS for shape in SERVICE.operation_model(name).error_shapes]


def answer(code: str, status: int = 400) -> Exception:
    body = msgspec.json.encode({"__type": code, "message": "words"})
    return read_fault(status, "", None, body).error("GetRecords")


@pytest.mark.parametrize(("operation", "code"), PAIRS)
def test_each_error_of_the_service_model_has_a_fate(operation: str, code: str) -> None:
    assert code in FATES, f"{operation} may answer {code}"


def test_the_service_model_still_lists_errors() -> None:
    assert len(PAIRS) > len(OPERATIONS)


@pytest.mark.parametrize(("code", "kind"), FATES.items())
def test_an_error_is_raised_as_its_fate_says(code: str, kind: type[errors.HeadraceError]) -> None:
    error = answer(code)
    assert type(error) is kind
    assert "GetRecords" in str(error)
    assert code in str(error)
    assert "words" in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.KinesisRefused),
        (403, errors.KinesisRefused),
        (413, errors.KinesisRefused),
        (429, errors.KinesisThrottled),
        (500, errors.KinesisUnavailable),
        (502, errors.KinesisUnavailable),
        (503, errors.KinesisUnavailable),
    ],
)
def test_an_unheard_of_code_is_judged_by_its_status(status: int, kind: type[Exception]) -> None:
    assert type(answer("SomethingNew", status)) is kind


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("", b'{"__type":"ResourceNotFoundException"}'),
        ("", b'{"__type":"com.amazonaws.kinesis.v20131202#ResourceNotFoundException","Message":"m"}'),
        ("ResourceNotFoundException:http://internal.amazon.com/coral/", b"{}"),
        ("ResourceNotFoundException", b"not json \xff"),
    ],
)
def test_the_code_is_read_wherever_the_service_puts_it(header: str, body: bytes) -> None:
    assert read_fault(400, header, None, body).code == "ResourceNotFoundException"


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"\xff\xfe", b"[]", b'{"__type":7}'])
def test_an_answer_that_is_no_json_is_still_a_fault(body: bytes) -> None:
    assert isinstance(read_fault(502, "", None, body).error("PutRecords"), errors.KinesisUnavailable)
