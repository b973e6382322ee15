from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import SettingsError
from headrace.schemas.codec import Event, Rejection, decode
from producers import formats
from tests.producers.received import access_lines

LINE = access_lines(1)[0]
NDJSON = (
    b'{"time":"2026-01-02T03:04:05+02:00",'
    b'"data":{"client_address":null,"method":"GET","path":"/","status":1}}'
)


def test_each_record_type_of_lines_has_a_format() -> None:
    assert formats.choose("web_access.v1", None) == "access_log"
    assert formats.choose("web_access.v1", "ndjson") == "ndjson"
    for wrong in ("producer_status.v1", "reject.v1", "web_access", ""):
        with pytest.raises(SettingsError, match=r"web_access\.v1"):
            formats.choose(wrong, None)


@pytest.mark.parametrize(
    ("name", "line", "time"),
    [
        ("access_log", LINE, datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC)),
        ("ndjson", NDJSON, datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
    ],
)
def test_a_line_is_sealed_under_its_number_with_its_time_shifted(
    name: formats.LineFormat, line: bytes, time: datetime
) -> None:
    assert formats.time_reader(name)(line) == time
    sealed = formats.sealer("web_access.v1", name, timedelta(hours=5))(line, "web-7/1", 42)
    assert isinstance(sealed, bytes)
    event = decode(sealed)
    assert isinstance(event, Event)
    assert (event.source, event.sequence, event.time) == (
        "web-7/1",
        "0000000000000042",
        time + timedelta(hours=5),
    )


@pytest.mark.parametrize("name", ["access_log", "ndjson"])
@given(line=st.binary(max_size=200) | st.text(max_size=50).map(lambda text: text.encode()))
def test_whatever_a_line_holds_its_fate_is_a_record_or_a_rejection_that_keeps_it(
    name: formats.LineFormat, line: bytes
) -> None:
    fate = formats.sealer("web_access.v1", name)(line, "web-7/1", 1)
    assert isinstance(fate, bytes) or fate.raw == line
    formats.time_reader(name)(line)


def test_a_time_that_a_shift_would_push_out_of_the_calendar_is_a_reject() -> None:
    seal = formats.sealer("web_access.v1", "access_log", timedelta(hours=1))
    assert isinstance(seal(LINE.replace(b"17/May/2015:10", b"31/Dec/9999:23"), "s", 1), Rejection)
    seal = formats.sealer("web_access.v1", "ndjson", timedelta(hours=1))
    assert isinstance(seal(NDJSON.replace(b"2026-01-02T03", b"9999-12-31T23"), "s", 1), Rejection)
