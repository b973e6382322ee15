from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.schemas.codec import Event, Rejection, decode
from headrace.schemas.records.wiki_edit import WikiEdit
from producers.formats.recentchange import FORMAT, parse
from producers.line_format import NO_SHIFT

EVENTS = (Path(__file__).parents[3] / "examples" / "wikimedia-recentchange.ndjson").read_bytes().splitlines()
SEAL = FORMAT.sealer(None, NO_SHIFT)
LEAST: dict[str, Any] = {"meta": {"id": "e1", "dt": "2026-01-02T03:04:05Z"}, "wiki": "enwiki", "type": "edit"}


def line_of(**more: object) -> bytes:
    return msgspec.json.encode(LEAST | more)


def read(line: bytes) -> tuple[datetime, WikiEdit]:
    found = parse(line)
    assert not isinstance(found, Rejection), found
    return found


def refused(line: bytes) -> tuple[str, str]:
    found = SEAL(line, "s", 1)
    assert isinstance(found, Rejection)
    assert found.raw == line
    return found.errors[0].path, found.errors[0].message


def test_every_recorded_event_is_a_record() -> None:
    sealed = [SEAL(line, "web-7/1", number) for number, line in enumerate(EVENTS, 1)]
    events = [decode(record) for record in sealed if isinstance(record, bytes)]
    assert len(events) == 100
    for line, event in zip(EVENTS, events, strict=True):
        told = msgspec.json.decode(line)
        assert isinstance(event, Event)
        assert event.time.timestamp() == told["timestamp"]
        assert (event.data.event_id, event.data.wiki) == (told["meta"]["id"], told["wiki"])
        assert event.data.length_delta == told["length"]["new"] - told["length"]["old"]


def test_an_edit_in_full() -> None:
    time, edit = read(EVENTS[0])
    assert time == datetime(2023, 7, 29, 7, 51, 39, tzinfo=UTC)
    assert edit == WikiEdit(
        event_id="0416300b-980c-45bb-b0a2-c9d7a9e2b7eb",
        wiki="enwiki",
        kind="edit",
        title="EFL Championship",
        namespace=0,
        user="87.12.215.232",
        bot=False,
        minor=False,
        comment="/* League champions, runners-up and play-off finalists */",
        length_old=91108,
        length_new=91166,
        length_delta=58,
        revision_old=1166824248,
        revision_new=1167689309,
        server_name="en.wikipedia.org",
        page_url="https://en.wikipedia.org/wiki/EFL_Championship",
        change_id=1659529639,
    )


def test_a_new_page_has_grown_by_all_of_it() -> None:
    _, edit = read(line_of(type="new", length={"old": None, "new": 300}, revision={"old": None, "new": 7}))
    assert (edit.length_old, edit.length_new, edit.length_delta) == (None, 300, 300)
    assert (edit.revision_old, edit.revision_new) == (None, 7)


def test_a_log_entry_has_no_length() -> None:
    _, edit = read(
        line_of(type="log", log_id=9, log_type="delete", log_action="restore", log_params={"a": [1]})
    )
    assert (edit.kind, edit.log_id, edit.log_type, edit.log_action) == ("log", 9, "delete", "restore")
    assert edit.length_delta is None


def test_what_is_missing_or_null_is_null_and_unknown_keys_do_no_harm() -> None:
    nulls = dict.fromkeys(("title", "user", "bot", "length", "revision", "log_id", "id", "namespace"))
    assert read(line_of())[1] == read(line_of(**nulls, later={"than": "us"}))[1]


def test_the_pages_address_is_the_uri_in_events_without_a_title_url() -> None:
    meta = LEAST["meta"] | {"uri": "https://x.test/wiki/A"}
    assert read(line_of(meta=meta))[1].page_url == "https://x.test/wiki/A"
    assert read(line_of(meta=meta, title_url="https://x.test/wiki/B"))[1].page_url == "https://x.test/wiki/B"


@pytest.mark.parametrize(
    ("dt", "timestamp", "time"),
    [
        ("2026-01-02T03:04:05.678Z", 1, datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)),
        ("2026-01-02T05:04:05+02:00", None, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:59.999999999Z", None, datetime(2026, 1, 2, 3, 4, 59, 999999, UTC)),
        (None, 1690617099, datetime(2023, 7, 29, 7, 51, 39, tzinfo=UTC)),
    ],
)
def test_the_event_time_is_dt_cut_to_microseconds_or_else_the_timestamp(
    dt: str | None, timestamp: int | None, time: datetime
) -> None:
    assert read(line_of(meta={"id": "e", "dt": dt}, timestamp=timestamp))[0] == time


@pytest.mark.parametrize(
    ("line", "path", "message"),
    [
        (line_of(meta={"dt": "2026-01-02T03:04:05Z"}), "$.meta", "missing required field `id`"),
        (line_of(meta="m"), "$.meta", "Expected `object`, got `str`"),
        (line_of(wiki=None), "$.wiki", "Expected `str`, got `null`"),
        (line_of(length={"new": "300"}), "$.length.new", "Expected `int | null`, got `str`"),
        (line_of(meta={"id": "e"}), "$.meta.dt", "neither it nor a timestamp"),
        (line_of(meta={"id": "e", "dt": "yesterday"}), "$.meta.dt", "Invalid RFC3339"),
        (line_of(meta={"id": "e", "dt": "2026-01-02T03:04:05"}), "$.meta.dt", "timezone"),
        (line_of(meta={"id": "e"}, timestamp=10**17), "$.timestamp", "seconds since 1970"),
        (line_of(meta={"id": "e"}, timestamp=-(10**10)), "$.time", "1970"),
        (line_of(namespace=2**31), "$.data.namespace", "2147483647"),
        (line_of(comment="c" * 40_000), "$.data.comment", "32768"),
        (b"{}", "$", "missing required field `meta`"),
        (b"[1]", "$", "Expected `object`, got `array`"),
        (b"nonsense", "$", "JSON is malformed"),
        (b'{"wiki": "\xff"}', "$", ""),
        (b"[" * 100_000, "$", ""),
        (b"", "$", ""),
    ],
)
def test_what_is_wrong_is_said_with_its_path(line: bytes, path: str, message: str) -> None:
    where, said = refused(line)
    assert where == path
    assert message in said


def test_a_canary_event_is_no_edit_and_does_not_go_without_a_trace() -> None:
    canary = LEAST["meta"] | {"domain": "canary"}
    assert refused(line_of(meta=canary)) == ("$.meta.domain", "a heartbeat of the feed, no change")


def json() -> st.SearchStrategy[Any]:
    leaf = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.floats(allow_nan=False)
    return st.recursive(
        leaf, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=4
    )


@given(st.fixed_dictionaries({}, optional={name: json() for name in msgspec.json.decode(EVENTS[0])}))
def test_whatever_an_event_holds_it_becomes_a_record_or_a_rejection_that_keeps_it(
    more: dict[str, Any],
) -> None:
    line = line_of(**more)
    fate = SEAL(line, "s", 1)
    assert isinstance(fate, bytes) or fate.raw == line
    FORMAT.time_of(line)
