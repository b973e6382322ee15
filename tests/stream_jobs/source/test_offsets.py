import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import SettingsError
from stream_jobs.source.offsets import (
    TRIM_HORIZON,
    ShardOffset,
    StreamOffset,
    at_timestamp,
    initial_offset,
    iterator_request,
    range_of,
)

positions = st.one_of(
    st.just(TRIM_HORIZON),
    st.integers(0, 2**186).map(str),
    st.integers(0, 2**42).map(at_timestamp),
)
shards = st.builds(
    ShardOffset,
    origin=positions,
    position=positions,
    frontier=st.integers(0, 2**53),
    closed=st.booleans(),
    parents=st.lists(st.text(max_size=5), max_size=2).map(tuple),
)
offsets = st.builds(
    StreamOffset,
    stream=st.text(max_size=10),
    created=st.integers(0, 2**42),
    shards=st.dictionaries(st.text(max_size=5), shards, max_size=5),
)


@given(offsets)
def test_an_offset_survives_its_json_text(offset: StreamOffset) -> None:
    assert StreamOffset.from_json(json.loads(json.dumps(offset.to_json()))) == offset


@given(offsets)
def test_equal_offsets_have_equal_text_however_their_shards_were_collected(offset: StreamOffset) -> None:
    backwards = StreamOffset(
        stream=offset.stream,
        created=offset.created,
        shards=dict(reversed(list(offset.shards.items()))),
    )
    assert json.dumps(backwards.to_json()) == json.dumps(offset.to_json())


def test_the_start_of_a_new_query_is_a_constant() -> None:
    assert initial_offset("events").to_json() == {
        "version": 1,
        "stream": "events",
        "created": 0,
        "shards": {},
    }


def test_a_shard_that_the_start_does_not_name_is_read_from_the_origin_that_the_end_names() -> None:
    end = StreamOffset(stream="s", shards={"a": ShardOffset(origin=at_timestamp(7), position="42")})
    assert range_of("a", initial_offset("s"), end).after == "AT_TIMESTAMP:7"


def test_a_shard_that_the_start_names_is_read_from_its_position_there() -> None:
    start = StreamOffset(stream="s", shards={"a": ShardOffset(origin=TRIM_HORIZON, position="41")})
    end = StreamOffset(stream="s", shards={"a": ShardOffset(origin=TRIM_HORIZON, position="42")})
    assert range_of("a", start, end).after == "41"


@pytest.mark.parametrize("text", ['{"shards": 1}', '{"stream": "s", "version": 99, "shards": {}}', "{}"])
def test_what_is_no_offset_of_this_release_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        StreamOffset.from_json(json.loads(text))


def test_each_kind_of_position_asks_kinesis_for_what_follows_it() -> None:
    assert iterator_request("42") == ("AFTER_SEQUENCE_NUMBER", "42", None)
    assert iterator_request(at_timestamp(1500)) == (
        "AT_TIMESTAMP",
        None,
        datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC),
    )
    assert iterator_request(TRIM_HORIZON) == ("TRIM_HORIZON", None, None)
