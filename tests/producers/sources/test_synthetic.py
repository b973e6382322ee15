import re

import pytest

from headrace.errors import SettingsError
from headrace.schemas.codec import Event, decode
from producers.formats.ndjson import FORMAT
from producers.line_format import NO_SHIFT
from producers.reading.source import Source
from producers.sources.synthetic import Settings, open_source
from tests.producers.sources.conftest import Open


def lines_of(source: Source, chunks: int = 1_000) -> list[bytes]:
    found: list[bytes] = []
    while chunks and (chunk := source.read()) is not None:
        found += [line for line in chunk.lines if isinstance(line, bytes)]
        chunks -= 1
    return found


def made(opening: Open, places: dict[str, str] | None = None, **settings: object) -> list[bytes]:
    return lines_of(open_source(Settings(**settings), opening(**(places or {}))))  # type: ignore[arg-type]


@pytest.mark.parametrize("records", ["user_signup.v1", "web_access.v1"])
def test_each_line_is_a_good_record_of_its_type(opening: Open, records: str) -> None:
    seal = FORMAT.sealer(None, NO_SHIFT)
    lines = made(opening, records=records, count=2_500, users=50)
    assert len(lines) == 2_500
    for number, line in enumerate(lines, 1):
        sealed = seal(line, "web-7", number)
        assert isinstance(sealed, bytes)
        event = decode(sealed)
        assert isinstance(event, Event)
        assert event.type == records


def test_the_same_seed_makes_the_same_records_and_another_one_others(opening: Open) -> None:
    assert made(opening, count=100, seed=7) == made(opening, count=100, seed=7)
    assert made(opening, count=100, seed=7) != made(opening, count=100, seed=8)


def test_the_users_are_as_many_as_told(opening: Open) -> None:
    users = {re.findall(rb'"user_id":"([^"]*)"', line)[0] for line in made(opening, count=5_000, users=40)}
    assert len(users) == 40


@pytest.mark.parametrize("size", [300, 2_000])
def test_lines_are_filled_up(opening: Open, size: int) -> None:
    lengths = {len(line) for line in made(opening, count=100, line_bytes=size)}
    assert lengths == {size}


def test_lines_that_no_record_of_the_type_fills_are_refused(opening: Open) -> None:
    with pytest.raises(SettingsError, match="line_bytes"):
        made(opening, count=1, line_bytes=10_000)
    assert len(made(opening, count=1, line_bytes=10_000, records="web_access.v1")[0]) >= 10_000


def test_a_restart_goes_on_after_what_was_committed(opening: Open) -> None:
    everything = made(opening, count=2_000)
    assert made(opening, {"synthetic": "1234"}, count=2_000) == everything[1_234:]
    assert made(opening, {"synthetic": "2000"}, count=2_000) == []


def test_without_a_count_there_is_no_end(opening: Open) -> None:
    assert len(lines_of(open_source(Settings(), opening()), chunks=5)) == 5_000
