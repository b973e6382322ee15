"""Hash keys to shards."""

from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kinesis.aggregation import UserRecord
from headrace.kinesis.shard_map import MAX_HASH_KEY, Shard, ShardMap, hash_key, hash_key_of

hash_keys = st.integers(0, MAX_HASH_KEY)


@st.composite
def shards(draw: st.DrawFn) -> list[Shard]:
    """Any division of the hash keys, in any order."""
    starts = sorted({0, *draw(st.lists(hash_keys, max_size=20))})
    ends = [start - 1 for start in starts[1:]] + [MAX_HASH_KEY]
    found = [Shard(f"shardId-{n}", *ends_of) for n, ends_of in enumerate(zip(starts, ends, strict=True))]
    return draw(st.permutations(found))


@given(shards(), hash_keys)
def test_each_hash_key_goes_to_the_one_shard_that_takes_it(found: list[Shard], key: int) -> None:
    assert [ShardMap(found).shard_of(key)] == [shard for shard in found if shard.takes(key)]


@given(shards())
def test_both_ends_of_a_shard_belong_to_it(found: list[Shard]) -> None:
    shard_map = ShardMap(found)
    for shard in found:
        assert shard_map.shard_of(shard.first) == shard_map.shard_of(shard.last) == shard
        assert shard_map.find(shard.shard_id) == shard
    assert shard_map.find("shardId-unheard-of") is None


@given(st.text(min_size=1, max_size=256))
def test_a_partition_key_hashes_by_md5_of_its_utf_8(key: str) -> None:
    expected = int(md5(key.encode(), usedforsecurity=False).hexdigest(), 16)
    assert hash_key(key) == hash_key_of(UserRecord(key, None, b"")) == expected


@given(shards(), st.text(min_size=1, max_size=256))
def test_a_partition_key_goes_to_the_shard_of_its_hash(found: list[Shard], key: str) -> None:
    assert ShardMap(found).shard_of_key(key) == ShardMap(found).shard_of(hash_key(key))


def test_an_explicit_hash_key_outranks_the_partition_key() -> None:
    assert hash_key_of(UserRecord("k", "17", b"")) == 17


@pytest.mark.parametrize(
    "ranges",
    [
        [],
        [(0, 9)],
        [(1, MAX_HASH_KEY)],
        [(0, 9), (11, MAX_HASH_KEY)],
        [(0, 10), (10, MAX_HASH_KEY)],
        [(0, MAX_HASH_KEY), (0, MAX_HASH_KEY)],
    ],
)
def test_a_map_with_a_gap_or_an_overlap_is_refused(ranges: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="hash keys"):
        ShardMap(Shard(f"s{n}", *ends) for n, ends in enumerate(ranges))
