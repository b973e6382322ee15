import json
from datetime import UTC, datetime

import msgspec
import pytest

from headrace.schemas.codec import Event, RejectCode, Rejection, encode
from headrace.schemas.examination import examine
from headrace.schemas.reading import MAX_RECORD_BYTES
from headrace.schemas.records.web_access import WebAccess
from tests.schemas.examples import Example, bad_examples, good_examples

TIME = datetime(2015, 5, 17, 10, 5, 3, 123456, tzinfo=UTC)
RECORD = WebAccess(client_address="203.0.113.9", method="GET", path="/a", status=200)


@pytest.mark.parametrize("example", good_examples() + bad_examples(), ids=str)
def test_the_thorough_verdict_alone_gives_the_expected_one(example: Example) -> None:
    verdict = examine(example.raw)

    assert (verdict.code if isinstance(verdict, Rejection) else None) == example.code


def test_a_good_event_is_read_in_full() -> None:
    event = examine(encode("web-7", 1, TIME, RECORD))

    assert isinstance(event, Event)
    assert (event.source, event.sequence, event.time) == ("web-7", "0000000000000001", TIME)
    assert event.data == RECORD


def test_a_rejection_lists_every_error_with_its_path() -> None:
    raw = json.dumps(
        {
            "type": "web_access.v1",
            "specversion": "1.1",
            "id": "1",
            "source": "web-7",
            "time": "yesterday",
            "sequence": "0000000000000009",
            "data": {
                "client_address": "a" * 256,
                "method": 7,
                "path": "/",
                "status": 1000,
                "host": "x",
                "bytes": -1,
            },
        }
    ).encode()
    verdict = examine(raw)

    assert isinstance(verdict, Rejection)
    assert {error.path for error in verdict.errors} == {
        "$.specversion",
        "$.time",
        "$.data.client_address",
        "$.data.method",
        "$.data.status",
        "$.data.bytes",
        "$.data.host",
    }
    assert verdict.code is RejectCode.BAD_ENVELOPE
    assert (verdict.source, verdict.sequence, verdict.record_type) == ("web-7", 9, "web_access.v1")


def test_a_record_of_more_than_1_mib_is_too_large_and_keeps_its_identity() -> None:
    raw = encode("web-7", 5, TIME, msgspec.structs.replace(RECORD, path="p" * MAX_RECORD_BYTES))
    verdict = examine(raw)

    assert isinstance(verdict, Rejection)
    assert verdict.code is RejectCode.TOO_LARGE
    assert (verdict.source, verdict.sequence) == ("web-7", 5)
