import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.schemas.sketches import (
    BUCKET_LIMITS,
    DISTINCT_STANDARD_ERROR,
    GAMMA,
    MAX_VALUE,
    RELATIVE_ERROR,
    ZERO_BUCKET,
    bucket_of,
    bucket_value,
    distinct_estimate,
    quantile,
    register_of,
)

values = st.one_of(st.integers(0, 300), st.integers(0, MAX_VALUE))


@given(values)
def test_a_buckets_value_is_within_one_percent_of_each_of_its_values(value: int) -> None:
    assert abs(bucket_value(bucket_of(value)) - value) <= RELATIVE_ERROR * value * (1 + 1e-9)


@given(st.integers(1, MAX_VALUE))
def test_the_bucket_is_the_rounded_up_logarithm(value: int) -> None:
    exact = math.log(value) / math.log(GAMMA)

    assert bucket_of(value) in {math.ceil(exact - 1e-6), math.ceil(exact + 1e-6)}


@given(st.lists(values, max_size=50))
def test_the_vectorised_bucket_is_the_same(sample: list[int]) -> None:
    array = np.array(sample, dtype=np.int64)
    buckets = np.where(array == 0, ZERO_BUCKET, np.searchsorted(np.array(BUCKET_LIMITS), array, side="left"))

    assert buckets.tolist() == [bucket_of(value) for value in sample]


@given(st.lists(values, min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99]))
def test_a_quantile_is_within_one_percent_of_the_value_of_its_rank(sample: list[int], q: float) -> None:
    parts: dict[int, int] = {}
    for value in sample:
        parts[bucket_of(value)] = parts.get(bucket_of(value), 0) + 1
    rank = max(1, -(-round(q * 100) * len(sample) // 100))
    truth = sorted(sample)[rank - 1]

    estimate = quantile(parts, q)

    assert estimate is not None
    assert abs(estimate - truth) <= RELATIVE_ERROR * truth * (1 + 1e-9)


def test_the_quantile_of_nothing_is_unknown() -> None:
    assert quantile({}, 0.5) is None


@given(st.text())
def test_a_register_and_its_rank_lie_in_their_ranges(value: str) -> None:
    register, rank = register_of(value)

    assert 0 <= register < 4096
    assert 1 <= rank <= 53


def test_registers_and_ranks_never_change() -> None:
    """Parts in a warehouse outlive the code: another hash would count every value again."""
    assert [register_of(value) for value in ("", "203.0.113.9", "ä")] == [(3658, 2), (1513, 1), (3844, 1)]


def estimate(count: int, seed: int) -> int:
    ranks: dict[int, int] = {}
    for number in range(count):
        register, rank = register_of(f"{seed}/{number}")
        ranks[register] = max(ranks.get(register, 0), rank)
    return distinct_estimate(ranks.values())


@pytest.mark.parametrize("count", [1, 10, 100, 1_000, 4_000, 10_000, 12_000, 40_000])
def test_the_distinct_estimate_keeps_its_error_at_every_size(count: int) -> None:
    errors = [estimate(count, seed) / count - 1 for seed in range(6)]

    assert max(map(abs, errors)) < 4 * DISTINCT_STANDARD_ERROR
    assert math.sqrt(sum(error * error for error in errors) / 6) < 2 * DISTINCT_STANDARD_ERROR


def test_the_estimate_of_nothing_is_zero_and_of_full_registers_is_finite() -> None:
    assert distinct_estimate([]) == 0
    assert distinct_estimate([53] * 4096) > 10**15


def test_merging_by_the_greatest_rank_is_counting_the_union() -> None:
    chosen = random.Random(7)
    names = [str(chosen.random()) for _ in range(3_000)]
    union: dict[int, int] = {}
    halves: list[dict[int, int]] = [{}, {}]
    for index, name in enumerate(names):
        register, rank = register_of(name)
        for ranks in (union, halves[index % 2]):
            ranks[register] = max(ranks.get(register, 0), rank)
    merged = {key: max(half.get(key, 0) for half in halves) for key in halves[0].keys() | halves[1].keys()}

    assert merged == union
