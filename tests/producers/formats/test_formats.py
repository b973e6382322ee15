from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import SettingsError
from headrace.schemas.codec import Event, Rejection, decode
from producers import catalog
from producers.line_format import NO_SHIFT, Seal, TimeOf, choose
from tests.producers.received import access_lines

LINE = access_lines(1)[0]
NDJSON = (
    b'{"time":"2026-01-02T03:04:05+02:00",'
    b'"data":{"client_address":null,"method":"GET","path":"/","status":1}}'
)


@pytest.mark.parametrize(
    ("record_type", "line_format", "chosen"),
    [
        (None, None, ("access-log", "web_access.v1")),
        ("web_access.v1", None, ("access-log", "web_access.v1")),
        ("web_access.v1", "ndjson", ("ndjson", "web_access.v1")),
        (None, "ndjson", ("ndjson", None)),
    ],
)
def test_the_sources_usual_format_is_taken_unless_the_settings_name_another(
    record_type: str | None, line_format: str | None, chosen: tuple[str, str | None]
) -> None:
    found = choose("access-log", record_type, line_format)
    assert (found.name, found.record_type) == chosen


def test_a_type_that_is_not_one_of_lines_is_refused_with_those_that_are() -> None:
    for wrong in ("producer_status.v1", "reject.v1", "web_access", ""):
        with pytest.raises(SettingsError, match=r"web_access\.v1"):
            choose("access-log", wrong, None)


def test_every_format_says_how_it_seals_and_reads_the_time() -> None:
    for name in catalog.names("producers.formats"):
        chosen = choose(name, None, name)
        assert chosen.sealer()(b"\x00", "s", 1).raw == b"\x00"  # type: ignore[union-attr]
        assert chosen.time_of(b"\x00") is None


def test_lines_without_a_set_type_name_their_own_and_the_types_of_our_own_are_not_taken() -> None:
    seal = choose("ndjson", None, None).sealer()
    assert isinstance(seal(NDJSON, "s", 1), Rejection)
    assert isinstance(seal(b'{"type":"web_access.v1",' + NDJSON[1:], "s", 1), bytes)
    status = b'{"type":"producer_status.v1",' + NDJSON[1:]
    assert isinstance(seal(status, "s", 1), Rejection)


def of(name: str, shift: timedelta = NO_SHIFT) -> tuple[Seal, TimeOf]:
    chosen = choose(name, "web_access.v1", name)
    return chosen.sealer(shift), chosen.time_of


@pytest.mark.parametrize(
    ("name", "line", "time"),
    [
        ("access_log", LINE, datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC)),
        ("ndjson", NDJSON, datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
    ],
)
def test_a_line_is_sealed_under_its_number_with_its_time_shifted(
    name: str, line: bytes, time: datetime
) -> None:
    seal, time_of = of(name, timedelta(hours=5))
    assert time_of(line) == time
    sealed = seal(line, "web-7/1", 42)
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
    name: str, line: bytes
) -> None:
    seal, time_of = of(name)
    fate = seal(line, "web-7/1", 1)
    assert isinstance(fate, bytes) or fate.raw == line
    time_of(line)


def test_a_time_that_a_shift_would_push_out_of_the_calendar_is_a_reject() -> None:
    seal, _ = of("access_log", timedelta(hours=1))
    assert isinstance(seal(LINE.replace(b"17/May/2015:10", b"31/Dec/9999:23"), "s", 1), Rejection)
    seal, _ = of("ndjson", timedelta(hours=1))
    assert isinstance(seal(NDJSON.replace(b"2026-01-02T03", b"9999-12-31T23"), "s", 1), Rejection)
