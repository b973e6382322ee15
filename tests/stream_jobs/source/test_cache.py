from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kinesis.messages import Record
from stream_jobs.source.cache import ChunkCache
from stream_jobs.source.offsets import TRIM_HORIZON, ShardRange
from stream_jobs.source.shard_cursor import to_table


def table(first: int, last: int) -> pa.Table:
    return to_table([Record(b"d%d" % n, "k", str(n), n / 1000) for n in range(first, last + 1)])


def numbers(cache: ChunkCache, after: str, last: str) -> list[int]:
    parts = cache.read(ShardRange(shard="s", after=after, last=last))
    return [int(n) for part in parts for n in part["sequenceNumber"].to_pylist()]


@pytest.fixture
def cache(tmp_path: Path) -> ChunkCache:
    cache = ChunkCache.begin(tmp_path / "cache")
    cache.put("s", TRIM_HORIZON, table(1, 10))
    cache.put("s", "10", table(11, 20))
    cache.put("s", "20", table(21, 30))
    return cache


@given(st.integers(0, 30), st.integers(0, 30))
def test_any_stretch_comes_back_whole(tmp_path_factory: pytest.TempPathFactory, a: int, b: int) -> None:
    cache = ChunkCache.begin(tmp_path_factory.mktemp("cache"))
    cache.put("s", TRIM_HORIZON, table(1, 9))
    cache.put("s", "9", table(10, 30))
    low, high = min(a, b), max(a, b)
    after = str(low) if low else TRIM_HORIZON
    assert numbers(cache, after, str(high) if high else TRIM_HORIZON) == list(range(low + 1, high + 1))


def test_what_lies_behind_a_missing_chunk_is_not_given(cache: ChunkCache) -> None:
    cache.put("s", "40", table(41, 50))
    assert numbers(cache, TRIM_HORIZON, "45") == list(range(1, 31))


def test_a_stretch_whose_beginning_is_not_here_is_not_given_at_all(cache: ChunkCache) -> None:
    cache.drop("s", "10")
    assert numbers(cache, "5", "20") == []
    assert numbers(cache, "10", "20") == list(range(11, 21))


def test_dropping_keeps_a_chunk_that_is_taken_in_part(cache: ChunkCache) -> None:
    cache.drop("s", "15")
    assert numbers(cache, "15", "30") == list(range(16, 31))


def test_a_damaged_chunk_is_as_good_as_none(cache: ChunkCache) -> None:
    for path in cache.folder.glob("s/10~*"):
        path.write_bytes(b"half a chunk")
    assert numbers(cache, TRIM_HORIZON, "30") == list(range(1, 11))


def test_a_new_life_finds_nothing_of_an_earlier_one(cache: ChunkCache) -> None:
    again = ChunkCache.begin(cache.folder.parent)
    assert numbers(again, TRIM_HORIZON, "30") == []
    assert not cache.folder.exists()
