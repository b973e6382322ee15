import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RecordsTrimmed, StreamRecreated
from stream_jobs.source.offsets import TRIM_HORIZON, ShardOffset, StreamOffset, initial_offset
from stream_jobs.source.shards import ListedShard, Stream, adopt, check_identity, forget_expired, from_latest


def listed(*shards: ListedShard) -> Stream:
    return Stream("events", 7, shards)


def taken(**shards: ShardOffset) -> StreamOffset:
    return StreamOffset(stream="events", created=7, shards=shards)


def at(position: str, *, closed: bool = False, frontier: int = 0) -> ShardOffset:
    return ShardOffset(origin=TRIM_HORIZON, position=position, closed=closed, frontier=frontier)


A = ListedShard("a", (), closed=True)
B = ListedShard("b", (), closed=True)
C = ListedShard("c", ("a", "b"), closed=False)


def test_a_new_query_reads_the_oldest_shards_first_and_not_their_children() -> None:
    assert set(adopt(initial_offset("events"), listed(C, B, A)).shards) == {"a", "b"}


def test_a_child_of_two_waits_for_both() -> None:
    offset = adopt(taken(a=at("1", closed=True), b=at("2")), listed(A, B, C))
    assert "c" not in offset.shards


def test_a_child_found_late_starts_at_its_beginning_with_the_frontier_of_its_older_parent() -> None:
    offset = adopt(
        taken(a=at("1", closed=True, frontier=50), b=at("2", closed=True, frontier=40)), listed(A, B, C)
    )
    child = offset.shards["c"]
    assert (child.origin, child.position, child.frontier) == (TRIM_HORIZON, TRIM_HORIZON, 40)


def test_a_child_whose_parents_have_left_the_stream_is_read() -> None:
    assert "c" in adopt(initial_offset("events"), listed(C)).shards


def test_latest_takes_nothing_of_closed_shards_and_starts_open_ones_now() -> None:
    offset = from_latest(listed(A, B, C), 1234)
    assert offset.shards["a"].closed
    assert offset.shards["c"].origin == "AT_TIMESTAMP:1234"
    assert set(adopt(offset, listed(A, B, C)).shards) == {"a", "b", "c"}


def test_a_shard_that_left_the_stream_before_it_was_read_is_a_loss() -> None:
    with pytest.raises(RecordsTrimmed, match="shard a"):
        forget_expired(taken(a=at("1"), c=at("2")), listed(C), fail_on_data_loss=True)
    kept = forget_expired(taken(a=at("1"), c=at("2")), listed(C), fail_on_data_loss=False)
    assert set(kept.shards) == {"c"}


def test_a_shard_that_left_the_stream_after_it_was_read_is_forgotten() -> None:
    kept = forget_expired(taken(a=at("1", closed=True), c=at("2")), listed(C), fail_on_data_loss=True)
    assert set(kept.shards) == {"c"}


def test_a_stream_made_anew_is_refused_with_the_remedy() -> None:
    with pytest.raises(StreamRecreated, match="HEADRACE_CHECKPOINT"):
        check_identity(taken(), "events", 8)
    with pytest.raises(StreamRecreated, match="checkpoint of its own"):
        check_identity(taken(), "others", 7)
    check_identity(initial_offset("events"), "events", 8)


@given(st.lists(st.integers(0, 20), max_size=20), st.randoms(use_true_random=False))
def test_every_shard_is_read_once_and_after_its_parents(seeds: list[int], random: object) -> None:
    shards: list[ListedShard] = []
    for number, seed in enumerate(seeds):
        parents = tuple(f"{seed % number:02}" for _ in range(1)) if number and seed % 3 else ()
        shards.append(ListedShard(f"{number:02}", parents, closed=True))
    random.shuffle(shards)  # type: ignore[attr-defined]
    offset, order = initial_offset("events"), list[str]()
    while True:
        offset = adopt(offset, Stream("events", 7, shards))
        ready = [name for name, shard in offset.shards.items() if not shard.closed]
        if not ready:
            break
        order += ready
        closed = {name: at("1", closed=True) for name in ready}
        offset = StreamOffset(stream="events", shards={**offset.shards, **closed})
    assert sorted(order) == sorted(shard.shard for shard in shards)
    for shard in shards:
        assert all(order.index(parent) < order.index(shard.shard) for parent in shard.parents)
