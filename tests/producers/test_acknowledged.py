from hypothesis import given
from hypothesis import strategies as st

from producers.acknowledged import Acknowledged


@given(st.permutations(range(1, 13)), st.lists(st.integers(1, 4), min_size=12))
def test_the_run_ends_before_the_first_number_that_is_missing(order: list[int], sizes: list[int]) -> None:
    acknowledged, done = Acknowledged(0), set[int]()
    while order:
        size = sizes.pop()
        numbers, order = order[:size], order[size:]
        acknowledged.add(numbers)
        done.update(numbers)
        assert acknowledged.until == next(n for n in range(14) if n + 1 not in done)


def test_runs_may_close_a_gap_and_repeat() -> None:
    acknowledged = Acknowledged(4)
    acknowledged.add((8, 9))
    acknowledged.add((3, 4))
    assert acknowledged.until == 4
    acknowledged.add((5, 6, 7))
    assert acknowledged.until == 9


def test_numbers_of_two_merged_shards_come_in_any_order() -> None:
    acknowledged = Acknowledged(4)
    acknowledged.add((9, 5, 7))
    acknowledged.add((8, 6))
    assert acknowledged.until == 9
