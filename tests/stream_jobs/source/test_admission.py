import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_jobs.source.admission import Limits, Queue, admit

queues = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.builds(
        lambda sizes, oldest: Queue(np.array(sizes, dtype=np.int64), oldest),
        st.lists(st.integers(0, 1000), max_size=30),
        st.integers(0, 100),
    ),
)
limits = st.builds(
    Limits, rows=st.integers(1, 60), size=st.integers(1, 5000), rows_per_shard=st.integers(1, 30)
)


@given(queues, limits)
def test_a_batch_keeps_its_limits_except_for_one_large_record_alone(
    waiting: dict[str, Queue], limit: Limits
) -> None:
    taken = admit(waiting, limit)
    rows = sum(taken.values())
    size = sum(int(waiting[shard].sizes[:count].sum()) for shard, count in taken.items())
    assert rows <= limit.rows
    assert size <= limit.size or rows == 1
    assert all(
        count <= min(limit.rows_per_shard, len(waiting[shard].sizes)) for shard, count in taken.items()
    )


@given(queues, limits)
def test_something_is_taken_whenever_something_waits(waiting: dict[str, Queue], limit: Limits) -> None:
    assert bool(admit(waiting, limit)) == any(len(queue.sizes) for queue in waiting.values())


@given(queues, limits)
def test_the_shard_whose_first_record_waited_longest_is_always_served(
    waiting: dict[str, Queue], limit: Limits
) -> None:
    nonempty = {shard: queue for shard, queue in waiting.items() if len(queue.sizes)}
    if nonempty:
        oldest = min(nonempty, key=lambda shard: (nonempty[shard].oldest, shard))
        assert admit(waiting, limit)[oldest] >= 1


def _of(count: int, size: int, oldest: int = 0) -> Queue:
    return Queue(np.full(count, size, dtype=np.int64), oldest)


def test_a_busy_shard_leaves_room_for_a_quiet_one_and_takes_what_that_leaves() -> None:
    taken = admit({"busy": _of(1000, 10), "quiet": _of(20, 10)}, Limits(100, 10**6, 10**6))
    assert taken == {"busy": 80, "quiet": 20}


def test_equal_shards_share_equally_by_bytes() -> None:
    taken = admit({"a": _of(1000, 10), "b": _of(1000, 10)}, Limits(10**6, 1000, 10**6))
    assert taken == {"a": 50, "b": 50}


def test_everything_goes_in_when_it_fits() -> None:
    assert admit({"a": _of(7, 1), "b": _of(3, 1)}, Limits(10, 10, 10)) == {"a": 7, "b": 3}
