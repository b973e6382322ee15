"""Mergeable sketches as plain rows: log buckets for quantiles, HyperLogLog registers for distinct counts.

Quantiles (DDSketch, arXiv:1908.10693): a value v >= 1 falls into bucket i = ceil(log(v) / log(GAMMA)), that
is GAMMA^(i-1) < v <= GAMMA^i; 0 falls into ZERO_BUCKET. A bucket stands for 2 * GAMMA^i / (GAMMA + 1), which
is within 1 % of each of its values. Parts merge by adding `n`.

Distinct counts (HyperLogLog, 2^12 registers): the 64-bit hash of a text is BLAKE2b with 8 bytes of digest,
big endian; its upper 12 bits choose the register, and the rank is one more than the number of leading zeros
in the lower 52. Parts merge by GREATEST of the rank. The estimate is Ertl's improved raw estimator
(arXiv:1702.01284), whose error is 1.04 / sqrt(2^12) = 1.6 % for small and large counts alike:

    estimate = m^2 / (2 ln 2) / (m * sigma(zeros / m) + sum over the non-zero registers of 2^-rank)
    sigma(x) = x + sum over k >= 1 of x^(2^k) * 2^(k-1)        (SIGMA_TERMS terms are exact to a double)
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from fractions import Fraction
from hashlib import blake2b

RELATIVE_ERROR = 0.01
"""Of a quantile: the reported value is within 1 % of the value of that rank."""

GAMMA = 101 / 99
"""(1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR): the ratio between a bucket's ends."""

ZERO_BUCKET = -1
MAX_VALUE = 2**53 - 1
"""The largest value that has a bucket."""

REGISTER_BITS = 12
REGISTERS = 1 << REGISTER_BITS
DISTINCT_STANDARD_ERROR = 0.0163
SIGMA_TERMS = 18


def _bucket_limits() -> tuple[int, ...]:
    """floor(GAMMA^i) for i = 0, 1, … in exact arithmetic, until every value up to MAX_VALUE has a bucket."""
    limits, numerator, denominator = [1], 1, 1
    while limits[-1] < MAX_VALUE:
        numerator, denominator = numerator * 101, denominator * 99
        limits.append(numerator // denominator)
    return tuple(limits)


BUCKET_LIMITS = _bucket_limits()
"""The largest integer of each bucket, so that a bucket is found by binary search, without rounding."""


def bucket_of(value: int) -> int:
    """The bucket of an integer in 0 .. MAX_VALUE.

    The vectorised form is `numpy.searchsorted(BUCKET_LIMITS, values, side="left")`, 0 sent to ZERO_BUCKET.
    """
    return bisect_left(BUCKET_LIMITS, value) if value else ZERO_BUCKET


def bucket_value(bucket: int) -> float:
    """The value that stands for a bucket."""
    return 0.0 if bucket == ZERO_BUCKET else 2 * GAMMA**bucket / (GAMMA + 1)


def quantile(parts: Mapping[int, int], q: float) -> float | None:
    """The value of rank max(1, ceil(q * n)) among the n in `parts` (bucket -> count); None when n is 0.

    `q` is taken as the decimal that it is written as, so that 0.95 of 20 values is the 19th.
    """
    rank = max(1, math.ceil(Fraction(str(q)) * sum(parts.values())))
    for bucket in sorted(parts):
        rank -= parts[bucket]
        if rank <= 0:
            return bucket_value(bucket)
    return None


def register_of(value: str) -> tuple[int, int]:
    """The (register, rank) of a text: 0 .. 4095 and 1 .. 53."""
    digest = int.from_bytes(blake2b(value.encode(), digest_size=8).digest())
    low_bits = 64 - REGISTER_BITS
    return digest >> low_bits, low_bits + 1 - (digest & ((1 << low_bits) - 1)).bit_length()


def distinct_estimate(ranks: Iterable[int]) -> int:
    """The number of distinct texts behind the ranks of the registers that were set."""
    count, weight = 0, 0.0
    for rank in ranks:
        count += 1
        weight += 2.0**-rank
    if count == 0:
        return 0
    zeros = (REGISTERS - count) / REGISTERS
    return math.floor(REGISTERS**2 / (2 * math.log(2)) / (REGISTERS * _sigma(zeros) + weight) + 0.5)


def _sigma(x: float) -> float:
    if x >= 1:
        return math.inf
    return x + sum(math.pow(x, 2**k) * 2.0 ** (k - 1) for k in range(1, SIGMA_TERMS + 1))
