from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import SpoolFull
from headrace.schemas.codec import RejectCode, reject_id
from producers.quarantine import Draft, Kept, Quarantine
from producers.reading.event_stream import LONGEST_ID, EventStream
from producers.reading.source import MAX_LINE_BYTES as LIMIT

NOWHERE = Quarantine(Path("/nowhere"))

Taken = list[tuple[bytes | Kept, bytes]]


def drain(events: EventStream) -> Taken:
    taken: Taken = []
    while events.is_ready:
        chunk = events.chunk("feed")
        assert len(chunk.lines) == 1 or not any(isinstance(line, Kept) for line in chunk.lines)
        taken += zip(chunk.lines, chunk.places, strict=True)
    return taken


def read(content: bytes, last_id: bytes = b"") -> Taken:
    events = EventStream(last_id, NOWHERE)
    events.feed(content)
    return drain(events)


def data(content: bytes) -> list[bytes | Kept]:
    return [line for line, _ in read(content)]


# -- the examples of the specification (9.2.6)


def test_lines_of_data_are_joined_by_line_feeds() -> None:
    assert data(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [b"YHOO\n+2\n10"]


def test_the_stream_with_a_comment_an_id_and_an_unfinished_event() -> None:
    content = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n"
    assert read(content) == [(b"first event", b"1"), (b"second event", b"")]
    assert read(content + b"\n")[2:] == [(b" third event", b"")]


def test_empty_data_is_an_event_and_an_unfinished_one_is_none() -> None:
    assert data(b"data\n\ndata\ndata\n\ndata:") == [b"", b"\n"]


def test_one_space_after_the_colon_does_not_count() -> None:
    assert data(b"data:test\n\ndata: test\n\n") == [b"test", b"test"]


# -- lines, fields, ids


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_line_ends_with_lf_or_cr_or_both(end: bytes) -> None:
    assert data(end.join((b"data: a", b"data: b", b"", b"data: c", b"", b""))) == [b"a\nb", b"c"]


def test_an_event_that_ends_with_cr_is_given_before_the_next_byte_comes() -> None:
    events = EventStream(b"", NOWHERE)
    events.feed(b"data: a\r\n\r")
    assert [line for line, _ in drain(events)] == [b"a"]
    events.feed(b"\ndata: b\r\n\r\n")
    assert [line for line, _ in drain(events)] == [b"b"]


def test_only_one_byte_order_mark_at_the_very_start_is_left_out() -> None:
    mark = b"\xef\xbb\xbf"
    assert data(mark + b"data: a\n\n") == [b"a"]
    assert data(mark + mark + b"data: a\n\ndata: b\n\n") == [b"b"]
    assert data(b"data: a\n\n" + mark + b"data: b\n\n") == [b"a"]


def test_an_id_holds_until_the_next_and_is_that_of_every_event_in_between() -> None:
    assert read(b"id: 7\ndata: a\n\ndata: b\n\nid: 8\n\ndata: c\n\n") == [
        (b"a", b"7"),
        (b"b", b"7"),
        (b"c", b"8"),
    ]


def test_an_id_that_no_header_could_carry_is_ignored() -> None:
    long = b"x" * (LONGEST_ID + 1)
    assert read(b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid: %b\ndata: c\n\n" % long) == [
        (b"a", b"1"),
        (b"b", b"1"),
        (b"c", b"1"),
    ]


def test_an_id_that_is_no_utf_8_is_read_with_replacement_so_that_it_can_be_kept_as_text() -> None:
    ((_, place),) = read(b"id: \xff\ndata: a\n\n")
    assert place.decode() == "\N{REPLACEMENT CHARACTER}"


def test_the_id_of_an_event_that_was_cut_does_not_count() -> None:
    events = EventStream(b"", NOWHERE)
    events.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n")
    assert drain(events) == [(b"a", b"1")]
    assert events.last_id == b"1"
    events.begin()
    events.feed(b"data: c\n\n")
    assert drain(events) == [(b"c", b"1")]


def test_an_event_without_data_moves_the_id_all_the_same() -> None:
    events = EventStream(b"", NOWHERE)
    events.feed(b"id: 5\n\n")
    assert (events.is_ready, events.last_id) == (False, b"5")


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (b"retry: 2500", 2.5),
        (b"retry: 2.5", 0),
        (b"retry: -1", 0),
        (b"retry: soon", 0),
        (b"retry:" + b"9" * 30, 0),
    ],
)
def test_the_servers_wish_for_the_time_between_connections(line: bytes, seconds: float) -> None:
    events = EventStream(b"", NOWHERE)
    events.feed(line + b"\n")
    assert events.retry_seconds == seconds


def test_unknown_fields_and_comments_are_ignored() -> None:
    assert data(b":\n: hi\nfoo: bar\nDATA: no\n data: no\ndata: yes\n\n") == [b"yes"]


def test_only_events_of_the_wanted_types_are_given_but_the_id_moves_with_all() -> None:
    events = EventStream(b"", NOWHERE, wanted=("edit", "message"))
    events.feed(
        b"event: edit\nid: 1\ndata: a\n\nid: 2\ndata: b\n\ndata: c\nevent: log\nid: 3\n\nevent: edit\n\n"
    )
    assert drain(events) == [(b"a", b"1"), (b"b", b"2")]
    assert events.last_id == b"3"
    events.feed(b"data: d\n\n")
    assert drain(events) == [(b"d", b"3")]


# -- cut anywhere


def test_a_line_end_of_two_bytes_may_come_in_two_pieces() -> None:
    content = b"\xef\xbb\xbfid: 1\r\ndata: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n"
    for cut in range(len(content)):
        events = EventStream(b"", NOWHERE)
        events.feed(content[:cut])
        events.feed(content[cut:])
        assert drain(events) == [(b"a\nb", b"1"), (b"c", b"1")]


def lines_of_a_feed() -> st.SearchStrategy[bytes]:
    field = st.sampled_from(
        [b"data", b"data:", b"data: ", b"id:", b"id: ", b"event:", b": ", b"retry:", b"", b"x"]
    )
    value = st.binary(max_size=6).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b""))
    end = st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n"])
    return st.lists(st.tuples(field, value, end).map(b"".join), max_size=12).map(b"".join)


@given(lines_of_a_feed(), st.lists(st.integers(0, 60), max_size=8), st.booleans())
def test_the_events_are_the_same_however_the_bytes_are_cut(
    content: bytes, cuts: list[int], mark: bool
) -> None:
    content = (b"\xef\xbb\xbf" if mark else b"") + content
    events = EventStream(b"0", NOWHERE)
    taken: Taken = []
    places = sorted({min(cut, len(content)) for cut in cuts} | {0, len(content)})
    for start, stop in pairwise(places):
        events.feed(content[start:stop])
        taken += drain(events)
    assert taken == read(content, b"0") == plainly(content, b"0")


def plainly(content: bytes, last_id: bytes) -> Taken:
    """The specification's algorithm, word for word, on the whole stream."""
    taken: Taken = []
    buffer, identity = b"", last_id
    lines = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    for line in lines[:-1]:
        if not line:
            if buffer:
                taken.append((buffer[:-1], identity))
            buffer = b""
            continue
        name, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if name == b"data":
            buffer += value + b"\n"
        elif name == b"id" and b"\0" not in value:
            identity = value.decode(errors="replace").encode()
    return taken


# -- long events


@pytest.mark.parametrize("length", [LIMIT, LIMIT + 1, 13_000_000])
@pytest.mark.parametrize("width", [70_000, 5_000_000])
def test_only_an_event_over_the_limit_goes_to_quarantine_whole(
    tmp_path: Path, length: int, width: int
) -> None:
    whole = (
        b"y" * length
        if width > length
        else b"\n".join(b"y" * width for _ in range(length // width + 1))[:length]
    )
    sent = b"".join(b"data: %b\n" % line for line in whole.split(b"\n"))
    content = b"id: 1\ndata: a\n\nid: 2\n" + sent + b"id: 3\n\nid: 4\ndata: b\n\n"
    events = EventStream(b"", Quarantine(tmp_path))
    taken: Taken = []
    for at in range(0, len(content), 1 << 16):
        events.feed(content[at : at + (1 << 16)])
        taken += drain(events)
    (first, long, last) = taken
    assert (first, last) == ((b"a", b"1"), (b"b", b"4"))
    line, place = long
    assert place == b"3"
    if length == LIMIT:
        assert line == whole
        return
    assert isinstance(line, Kept)
    assert Path(line.place).read_bytes() == whole
    assert (line.length, line.reject_id) == (length, reject_id(whole, RejectCode.TOO_LARGE))
    assert [path.name for path in tmp_path.iterdir()] == [Path(line.place).name]


@pytest.mark.parametrize("field", [b": ", b"foo: ", b"id: ", b"event: ", b""])
def test_a_long_line_of_anything_but_data_is_skipped_without_being_kept(field: bytes) -> None:
    events = EventStream(b"0", NOWHERE)
    events.feed(b"data: a\n" + field)
    for _ in range(LIMIT // (1 << 16) + 3):
        events.feed(b"z" * (1 << 16))
        assert len(events._unread) <= 1 << 17
    events.feed(b"\n\n")
    assert drain(events) == [(b"a", b"0")]


def test_a_long_event_that_is_cut_or_not_wanted_leaves_nothing_behind(tmp_path: Path) -> None:
    events = EventStream(b"", Quarantine(tmp_path), wanted=("edit",))
    events.feed(b"data: " + b"y" * (LIMIT + 1))
    assert list(tmp_path.iterdir())
    events.begin()
    assert not list(tmp_path.iterdir())
    events.feed(b"data: " + b"y" * (LIMIT + 1) + b"\n\nevent: edit\ndata: b\n\n")
    assert drain(events) == [(b"b", b"")]
    assert not list(tmp_path.iterdir())


def test_a_full_disk_holds_a_long_event_up_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = EventStream(b"", Quarantine(tmp_path))

    def full(*_: object) -> None:
        raise SpoolFull("no room")

    def feed_when_full(call: str, content: bytes) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Draft, call, full)
            for piece in (content, b""):
                with pytest.raises(SpoolFull):
                    events.feed(piece)
                assert events.blocked
        events.feed(b"")
        assert not events.blocked

    feed_when_full("write", b"data: one\ndata: " + b"y" * (LIMIT + 5))
    feed_when_full("write", b"yy\ndata: more\n")
    feed_when_full("finish", b"\ndata: next\n\n")
    (long, _), (line, _) = drain(events)
    assert isinstance(long, Kept)
    assert Path(long.place).read_bytes() == b"one\n" + b"y" * (LIMIT + 7) + b"\nmore"
    assert line == b"next"
