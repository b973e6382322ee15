import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace.schemas import codec
from headrace.schemas.codec import (
    Event,
    RejectCode,
    Rejection,
    Stage,
    decode,
    encode,
    reject_event,
    reject_id,
    seal,
)
from headrace.schemas.event import MAX_SEQUENCE, format_sequence
from headrace.schemas.examination import examine
from headrace.schemas.records.producer_status import ProducerStatus
from headrace.schemas.records.user_signup import UserSignup
from headrace.schemas.records.web_access import WebAccess
from headrace.schemas.records.wiki_edit import WikiEdit
from headrace.schemas.registry import EVENT_CLASSES, RECORD_TYPES
from tests.schemas.examples import bad_examples, good_examples

TIME = datetime(2015, 5, 17, 10, 5, 3, 123456, tzinfo=UTC)
RECORD = WebAccess(client_address="203.0.113.9", method="GET", path="/a", status=200)
EDIT = WikiEdit(event_id="7", wiki="enwiki", kind="new", length_new=9, length_delta=9, title="ä")
SIGNUP = UserSignup(user_id="3f1c5a52-9d0e-4a7b-8c61-0d2b7e9f4a10", born="1984-02-29", first_name="Zoë")
EXAMPLES = [case.raw for case in good_examples() + bad_examples()]

ACCEPTED = [event for event in map(decode, EXAMPLES) if isinstance(event, Event)]

texts = st.one_of(st.none(), st.text(max_size=300))
records = st.builds(
    WebAccess,
    client_address=texts,
    user=texts,
    method=st.one_of(st.none(), st.sampled_from(["GET", "PROPFIND", "a b", "", "GET\n"])),
    path=texts,
    query=texts,
    protocol=texts,
    status=st.one_of(st.none(), st.integers(-1, 1001)),
    bytes=st.one_of(st.none(), st.integers(-1, 2**53)),
    referer=texts,
    user_agent=texts,
)
times = st.datetimes(
    min_value=datetime(1969, 12, 30),  # noqa: DTZ001  hypothesis adds the zone
    max_value=datetime(2200, 1, 2),  # noqa: DTZ001  the same
    timezones=st.sampled_from(
        [UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=9, minutes=30))]
    ),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def bent_examples(draw: st.DrawFn) -> bytes:
    """An example with some bytes replaced: near enough to a record to reach every branch."""
    raw = bytearray(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(raw)))
        width = draw(st.integers(0, 6))
        raw[at : at + width] = draw(
            st.sampled_from(
                [
                    b"",
                    b'"',
                    b"\\",
                    b"\\u0000",
                    b"\\u0041",
                    b"\xff",
                    "ü".encode(),
                    b"7",
                    b"{",
                    b"]",
                    b",",
                    b"\x7f",
                ]
            )
        )
    return bytes(raw)


@st.composite
def bent_events(draw: st.DrawFn) -> bytes:
    """A good event with any member, of the envelope or the data, replaced by any JSON."""
    record = draw(st.sampled_from([RECORD, EDIT, SIGNUP]))
    event: dict[str, Any] = json.loads(encode("web-7", 1, TIME, record))
    target = event["data"] if draw(st.booleans()) else event
    name = draw(st.sampled_from([*sorted(event), *sorted(record.__struct_fields__), "other"]))
    target[name] = draw(json_values)
    return json.dumps(event, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")


@given(st.one_of(st.binary(max_size=200), bent_examples(), bent_events()))
@example(b"[" * 100_000)
@example(b'{"type":"web_access.v1","time":"' + b"\\" * 10)
def test_the_fast_verdict_accepts_only_what_the_thorough_one_accepts_as_the_same_event(raw: bytes) -> None:
    try:
        fast = codec._decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if codec._is_proven(raw, fast):
        assert examine(raw) == fast


@given(st.one_of(st.binary(max_size=200), bent_examples(), bent_events()))
def test_any_bytes_get_a_verdict_and_any_reject_decodes_to_an_event_under_its_number(raw: bytes) -> None:
    verdict = decode(raw)

    if isinstance(verdict, Rejection):
        assert verdict.raw == raw
        assert verdict.errors
        sealed = reject_event(verdict, stage=Stage.STREAM_JOB, source="web-7", sequence=7, time=TIME)
        event = decode(sealed)
        assert isinstance(event, Event), event
        assert (event.type, event.source, event.sequence) == ("reject.v1", "web-7", format_sequence(7))
        assert event.data.raw == raw
        assert event.data.code == verdict.code
        assert event.data.id == reject_id(raw, verdict.code)


@given(records, times, st.integers(1, MAX_SEQUENCE))
def test_what_is_sealed_comes_back_equal(record: WebAccess, time: datetime, sequence: int) -> None:
    sealed = seal("web-7", sequence, time, record)

    if isinstance(sealed, bytes):
        event = decode(sealed)
        assert isinstance(event, Event)
        assert event.data == record
        assert event.time == time
        assert event.time.utcoffset() == timedelta(0)
        assert event.sequence == event.id == format_sequence(sequence)


@given(
    st.builds(WebAccess, client_address=texts, method=st.just("GET"), path=texts, status=st.integers(0, 999))
)
def test_only_the_nul_character_and_the_limits_keep_a_text_out(record: WebAccess) -> None:
    address = record.client_address or ""
    has_nul = "\0" in address + (record.path or "")

    accepted = isinstance(seal("web-7", 1, TIME, record), bytes)

    assert accepted == (not has_nul and len(address.encode()) <= 255)


@given(
    st.lists(st.sampled_from(["time", '"time"', "2015-05-17T10:05:03.1234567Z", ":", "\\", "{"]), max_size=6)
)
def test_a_text_that_looks_like_the_time_does_not_confuse_the_fast_verdict(parts: list[str]) -> None:
    record = msgspec.structs.replace(RECORD, user_agent="".join(parts), query='"time":"x')
    event = decode(encode("web-7", 1, TIME, record))

    assert isinstance(event, Event)
    assert event.data == record
    assert event.time == TIME


@pytest.mark.parametrize(
    "fraction",
    [
        "",
        ".1",
        ".123456",
        ".1234567",
        ".9999999",
        ".99999999999",
        ".999999999999",
        ".000000999999999999999999999",
    ],
)
@pytest.mark.parametrize("zone", ["Z", "z", "+00:00", "-00:00", "+02:00", "-09:30"])
@pytest.mark.parametrize("blank", ["", " "])
def test_digits_below_a_microsecond_are_cut_whatever_the_spelling(
    fraction: str, zone: str, blank: str
) -> None:
    text = f"2015-05-17T23:59:59{fraction}{zone}"
    raw = encode("web-7", 1, TIME, RECORD).replace(
        b'"time":"2015-05-17T10:05:03.123456Z"', f'"time":{blank}"{text}"'.encode()
    )
    event = decode(raw)

    assert isinstance(event, Event)
    cut = f"{text[:19]}{fraction[:7]}{zone.upper().replace('Z', '+00:00')}"
    assert event.time == datetime.fromisoformat(cut)
    assert event.time.tzinfo is UTC


def test_of_two_times_the_last_counts_to_the_microsecond() -> None:
    raw = encode("web-7", 1, TIME, RECORD).replace(b'"data"', b'"time":"2015-05-17T23:59:59.9999999Z","data"')
    event = decode(raw)

    assert isinstance(event, Event)
    assert event.time == datetime(2015, 5, 17, 23, 59, 59, 999999, tzinfo=UTC)


def test_a_text_that_reads_time_right_before_the_key_does_not_hide_the_key() -> None:
    raw = encode("web-7", 1, TIME, RECORD).replace(
        b'"time":"2015-05-17T10:05:03.123456Z"', b'"subject":"time","time":"2015-05-17T23:59:59.9999999Z"'
    )
    event = decode(raw)

    assert isinstance(event, Event)
    assert event.time == datetime(2015, 5, 17, 23, 59, 59, 999999, tzinfo=UTC)


def test_a_time_key_hidden_in_an_escape_is_found() -> None:
    raw = encode("web-7", 1, TIME, RECORD).replace(
        b'"data"', b'"t\\u0069me":"2015-05-17T23:59:59.9999999Z","data"'
    )
    event = decode(raw)

    assert isinstance(event, Event)
    assert event.time == datetime(2015, 5, 17, 23, 59, 59, 999999, tzinfo=UTC)


def test_a_status_carries_no_sequence() -> None:
    sealed = seal("web-7", None, TIME, ProducerStatus(spooled=2, acknowledged=1))
    assert isinstance(sealed, bytes)
    event = decode(sealed)

    assert isinstance(event, Event)
    assert event.sequence is None
    assert b"sequence" not in sealed


def test_what_cannot_be_encoded_is_rejected_when_sealed_and_keeps_the_bytes_given() -> None:
    half_a_pair = seal("web-7", 1, TIME, msgspec.structs.replace(RECORD, path="\ud800"), raw=b"the line")
    too_large = seal("web-7", 1, TIME, msgspec.structs.replace(RECORD, bytes=2**70), raw=b"the line")

    assert isinstance(half_a_pair, Rejection)
    assert isinstance(too_large, Rejection)
    assert (half_a_pair.code, half_a_pair.raw) == (RejectCode.BAD_TEXT, b"the line")
    assert (too_large.code, too_large.raw) == (RejectCode.OUT_OF_RANGE, b"the line")
    assert (half_a_pair.source, half_a_pair.sequence) == ("web-7", 1)


def test_a_rejected_seal_keeps_the_line_and_not_the_event() -> None:
    verdict = seal("web-7", 3, TIME, msgspec.structs.replace(RECORD, path="\0"), raw=b"the line")

    assert isinstance(verdict, Rejection)
    assert (verdict.code, verdict.raw) == (RejectCode.NUL_CHARACTER, b"the line")
    assert (verdict.source, verdict.sequence, verdict.record_type) == ("web-7", 3, "web_access.v1")


def test_an_event_is_plain_cloudevents_json_with_its_type_first() -> None:
    raw = encode("web-7", 1, TIME, RECORD)

    assert raw.startswith(b'{"type":"web_access.v1",')
    assert json.loads(raw) == {
        "type": "web_access.v1",
        "specversion": "1.0",
        "id": "0000000000000001",
        "source": "web-7",
        "time": "2015-05-17T10:05:03.123456Z",
        "sequence": "0000000000000001",
        "data": {"client_address": "203.0.113.9", "method": "GET", "path": "/a", "status": 200},
    }


@given(
    st.sampled_from([event.data for event in ACCEPTED]) | records,
    times,
    st.text(max_size=40) | st.sampled_from(["", "a%b%016d", '"\\', "ü" * 300, "\0\x7f", "web-7/01J"]),
    st.none() | st.integers(1, MAX_SEQUENCE) | st.sampled_from([1, MAX_SEQUENCE]),
)
@settings(max_examples=300)
def test_an_event_has_the_very_bytes_that_msgspec_gives_its_class(
    data: msgspec.Struct, time: datetime, source: str, sequence: int | None
) -> None:
    event_class = next(made for name, made in EVENT_CLASSES.items() if RECORD_TYPES[name].data is type(data))
    number = None if sequence is None else format_sequence(sequence)
    here = time.astimezone(UTC)
    event = event_class(
        specversion="1.0",
        id=number or here.isoformat(),
        source=source,
        time=here,
        data=data,
        sequence=number,
    )

    encoder = msgspec.json.Encoder(decimal_format="number")
    assert encode(source, sequence, time, data) == encoder.encode(event)


def test_every_record_type_has_an_example() -> None:
    assert {event.type for event in ACCEPTED} == set(RECORD_TYPES)


@pytest.mark.parametrize("sequence", [0, -1, MAX_SEQUENCE + 1])
def test_a_number_outside_the_range_is_a_mistake_of_the_caller(sequence: int) -> None:
    with pytest.raises(ValueError, match="sequence"):
        encode("web-7", sequence, TIME, RECORD)


def test_a_source_that_is_no_text_cannot_be_encoded() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode("\ud800", 1, TIME, RECORD)


def test_a_time_without_a_zone_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="zone"):
        encode("web-7", 1, datetime(2015, 5, 17), RECORD)  # noqa: DTZ001  the mistake


@settings(max_examples=50)
@given(st.integers(0, 200))
def test_the_verdict_on_nesting_does_not_depend_on_the_callers_stack(depth: int) -> None:
    raw = encode("web-7", 1, TIME, RECORD)[:-1] + b',"x":' + b"[" * depth + b"1" + b"]" * depth + b"}"

    def called_from(frames: int) -> Event | Rejection:
        return decode(raw) if frames == 0 else called_from(frames - 1)

    assert called_from(0) == called_from(300)
    assert isinstance(called_from(0), Event) == (depth < 64)
