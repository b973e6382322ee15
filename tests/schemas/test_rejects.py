import json
from datetime import UTC, datetime

import msgspec

from headrace.schemas.codec import (
    Event,
    RejectCode,
    Rejection,
    Stage,
    decode,
    encode,
    reject_event,
    reject_id,
)
from headrace.schemas.records.reject import MAX_ERRORS, MAX_RAW_BYTES, Reject
from headrace.schemas.records.web_access import WebAccess
from headrace.schemas.rejects import field_errors, reject

TIME = datetime(2015, 5, 17, 10, 5, 3, 123456, tzinfo=UTC)
RECORD = WebAccess(client_address="203.0.113.9", method="GET", path="/a", status=200)


def test_the_reject_of_the_longest_and_worst_record_is_itself_accepted() -> None:
    raw = b"\xff" * (5 * 1024 * 1024)
    verdict = decode(raw)
    assert isinstance(verdict, Rejection)

    event = decode(
        reject_event(
            verdict, stage=Stage.PRODUCER, source="s" * 256, sequence=1, time=TIME, place="quarantine/1"
        )
    )

    assert isinstance(event, Event)
    assert event.data.raw == raw[:MAX_RAW_BYTES]
    assert (event.data.raw_length, event.data.raw_place) == (len(raw), "quarantine/1")


def test_a_thousand_errors_become_64_and_a_count() -> None:
    data = {f"field {number}\n{'ü' * 120}": number for number in range(1000)}
    raw = json.dumps({**json.loads(encode("web-7", 1, TIME, RECORD)), "data": data}).encode()
    verdict = decode(raw)

    assert isinstance(verdict, Rejection)
    assert len(verdict.errors) == 64
    assert verdict.errors[-1].message == "and 941 more"  # 4 required fields are missing too
    assert isinstance(
        decode(reject_event(verdict, stage=Stage.TRANSFORM, source="a", sequence=1, time=TIME)), Event
    )


def test_an_id_depends_on_the_code_and_the_bytes() -> None:
    ids = {reject_id(raw, code) for raw in (b"", b"a", b"\0a") for code in RejectCode}

    assert len(ids) == 3 * len(RejectCode)


def test_a_reject_of_the_design_is_typed() -> None:
    verdict = decode(b"garbage")
    assert isinstance(verdict, Rejection)
    event = decode(reject_event(verdict, stage=Stage.PRODUCER, source="s", sequence=1, time=TIME))

    assert isinstance(event, Event)
    assert isinstance(event.data, Reject)


def test_the_errors_of_the_worst_reject_fit_the_longest_column() -> None:
    worst = field_errors([('"' * 999, "\\\n\0" * 999)] * 999)

    assert len(worst) == MAX_ERRORS
    assert len(msgspec.json.encode(worst)) <= 65_535


def test_an_error_never_holds_what_a_column_refuses() -> None:
    [error] = field_errors([("$.\ud800\0", "ü" * 999)])

    assert error.path.encode()
    assert "\0" not in error.path
    assert len(error.message.encode()) <= 200


def test_the_data_of_a_reject_names_its_record() -> None:
    rejection = Rejection(
        code=RejectCode.NOT_JSON,
        errors=field_errors([("$", "empty")]),
        raw=b"",
        source="web-7",
        sequence=1,
        record_type="web_access.v1",
    )
    data = reject(rejection, stage=Stage.TRANSFORM, place="a place")

    assert (data.stage, data.code, data.record_type) == ("transform", "not_json", "web_access.v1")
    assert (data.raw, data.raw_length, data.raw_place) == (b"", 0, "a place")
