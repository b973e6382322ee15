import itertools
import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headrace.warehouse.ranges import RangeSet

numbers = st.sets(st.integers(1, 60), max_size=40)
pairs = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=12)


def members(ranges: RangeSet) -> set[int]:
    return {n for first, last in ranges.pairs() for n in range(first, last + 1)}


def is_canonical(ranges: RangeSet) -> bool:
    bounds = list(ranges.pairs())
    apart = all(a[1] + 1 < b[0] for a, b in itertools.pairwise(bounds))
    return apart and all(first <= last for first, last in bounds)


@given(numbers, numbers)
def test_set_algebra_is_that_of_sets(a: set[int], b: set[int]) -> None:
    left, right = RangeSet.from_numbers(a), RangeSet.from_numbers(b)
    for result, truth in ((left | right, a | b), (left & right, a & b), (left - right, a - b)):
        assert members(result) == truth
        assert is_canonical(result)
        assert result == RangeSet.from_numbers(truth)
        assert result.size == len(truth)
        assert bool(result) == bool(truth)


@given(pairs)
def test_pairs_in_any_order_overlapping_or_empty_are_their_union(bounds: list[tuple[int, int]]) -> None:
    ranges = RangeSet.of(*bounds)
    assert members(ranges) == {n for first, last in bounds for n in range(first, last + 1)}
    assert is_canonical(ranges)


@given(numbers, st.integers(0, 70))
def test_gaps_membership_and_highest(a: set[int], bound: int) -> None:
    ranges = RangeSet.from_numbers(a)
    assert members(ranges.gaps_below(bound)) == set(range(1, bound + 1)) - a
    assert ranges.highest == max(a, default=0)
    probes = np.arange(0, 70, dtype=np.int64)
    assert ranges.mask(probes).tolist() == [n in a for n in range(70)]


@given(numbers, numbers)
def test_ranges_that_the_other_set_has_with_other_bounds_or_not_are_the_difference_of_rows(
    a: set[int], b: set[int]
) -> None:
    left, right = RangeSet.from_numbers(a), RangeSet.from_numbers(b)
    assert set(left.unlike(right).pairs()) == set(left.pairs()) - set(right.pairs())


@given(numbers, numbers)
def test_touching_ranges_overlap_or_adjoin(a: set[int], b: set[int]) -> None:
    near = RangeSet.from_numbers(a).touching(RangeSet.from_numbers(b))
    expected = {
        (first, last)
        for first, last in RangeSet.from_numbers(a).pairs()
        if any(n in b for n in range(first - 1, last + 2))
    }
    assert set(near.pairs()) == expected


@given(st.lists(numbers, max_size=5))
def test_the_union_of_many_is_the_union(sets: list[set[int]]) -> None:
    assert members(RangeSet.union_of(RangeSet.from_numbers(s) for s in sets)) == set().union(*sets)


def test_the_largest_numbers_do_not_overflow() -> None:
    top = 2**53 - 1
    everything = RangeSet.of((1, top))
    assert everything.size == top
    assert (everything - RangeSet.of((2, top - 1))).size == 2
    assert RangeSet.of((top, top)).gaps_below(top).size == top - 1


def test_a_set_travels_to_another_process_and_cannot_be_changed() -> None:
    ranges = RangeSet.of((1, 5), (9, 9))
    assert pickle.loads(pickle.dumps(ranges)) == ranges
    assert hash(RangeSet.of((9, 9), (1, 5))) == hash(ranges)
    assert ranges != {1, 2}
    assert not ranges.firsts.flags.writeable
    assert repr(ranges) == "RangeSet(1-5, 9-9)"
    assert list(ranges.lowest_ranges(1).pairs()) == [(1, 5)]
