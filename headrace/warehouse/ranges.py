"""Sets of sequence numbers kept as sorted, disjoint ranges, never expanded."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

Bounds = NDArray[np.int64]


def _frozen(values: Iterable[int] | Bounds) -> Bounds:
    array = np.array(values if isinstance(values, np.ndarray) else list(values), dtype=np.int64)
    array.setflags(write=False)
    return array


def _empty() -> Bounds:
    return _frozen(())


@dataclass(frozen=True, eq=False, slots=True)
class RangeSet:
    """An immutable set of integers as inclusive ranges `[firsts[i], lasts[i]]`.

    The ranges are sorted, disjoint and never adjacent (1-2 and 3-4 are one range), so that two equal
    sets have equal arrays. Build one with `of`, `from_numbers` or `from_bounds`; the plain constructor
    takes arrays that already have that form. Every operation costs O(n log n) in the number of ranges.
    """

    firsts: Bounds = field(default_factory=_empty)
    lasts: Bounds = field(default_factory=_empty)

    @classmethod
    def of(cls, *pairs: tuple[int, int]) -> Self:
        """The union of inclusive `(first, last)` pairs, in any order, overlapping or not."""
        return cls.from_bounds(_frozen(p[0] for p in pairs), _frozen(p[1] for p in pairs))

    @classmethod
    def from_numbers(cls, numbers: Iterable[int] | Bounds) -> Self:
        """The set of the given numbers, in any order, with or without repeats."""
        array = numbers if isinstance(numbers, np.ndarray) else _frozen(numbers)
        return cls.from_bounds(array, array)

    @classmethod
    def from_bounds(cls, firsts: Bounds, lasts: Bounds) -> Self:
        """The union of the inclusive `[firsts[i], lasts[i]]`; an empty one (first > last) adds nothing."""
        real = firsts <= lasts
        firsts, lasts = firsts[real], lasts[real]
        if not len(firsts):
            return cls()
        order = np.argsort(firsts, kind="stable")
        firsts, reach = firsts[order], np.maximum.accumulate(lasts[order])
        opens = np.concatenate(([True], firsts[1:] > reach[:-1] + 1))
        closes = np.concatenate((opens[1:], [True]))
        return cls(_frozen(firsts[opens]), _frozen(reach[closes]))

    @classmethod
    def union_of(cls, sets: Iterable["RangeSet"]) -> Self:
        """Every number of every set."""
        many = list(sets)
        if not many:
            return cls()
        return cls.from_bounds(
            np.concatenate([s.firsts for s in many]), np.concatenate([s.lasts for s in many])
        )

    def __or__(self, other: "RangeSet") -> "RangeSet":
        return RangeSet.union_of((self, other))

    def __and__(self, other: "RangeSet") -> "RangeSet":
        low = np.searchsorted(other.lasts, self.firsts, side="left")
        high = np.searchsorted(other.firsts, self.lasts, side="right")
        overlaps = np.maximum(high - low, 0)
        mine = np.repeat(np.arange(len(self.firsts)), overlaps)
        begins = np.repeat(np.cumsum(overlaps) - overlaps, overlaps)
        theirs = np.arange(len(mine)) - begins + low[mine]
        return RangeSet(
            _frozen(np.maximum(self.firsts[mine], other.firsts[theirs])),
            _frozen(np.minimum(self.lasts[mine], other.lasts[theirs])),
        )

    def __sub__(self, other: "RangeSet") -> "RangeSet":
        if not self or not other:
            return self
        low = min(self.firsts[0], other.firsts[0])
        high = max(self.lasts[-1], other.lasts[-1])
        firsts = np.concatenate(([low], other.lasts + 1))
        lasts = np.concatenate((other.firsts - 1, [high]))
        real = firsts <= lasts
        return self & RangeSet(firsts[real], lasts[real])

    def touching(self, other: "RangeSet") -> "RangeSet":
        """Those of my whole ranges that overlap or adjoin one of `other`'s."""
        low = np.searchsorted(other.lasts, self.firsts - 1, side="left")
        high = np.searchsorted(other.firsts, self.lasts + 1, side="right")
        near = high > low
        return RangeSet(_frozen(self.firsts[near]), _frozen(self.lasts[near]))

    def unlike(self, other: "RangeSet") -> "RangeSet":
        """Those of my whole ranges that `other` does not have with the same bounds."""
        if not self or not other:
            return self
        at = np.minimum(np.searchsorted(other.firsts, self.firsts), other.range_count - 1)
        changed = (other.firsts[at] != self.firsts) | (other.lasts[at] != self.lasts)
        return RangeSet(_frozen(self.firsts[changed]), _frozen(self.lasts[changed]))

    def lowest_ranges(self, count: int) -> "RangeSet":
        """My first `count` ranges."""
        return RangeSet(_frozen(self.firsts[:count]), _frozen(self.lasts[:count]))

    def gaps_below(self, bound: int) -> "RangeSet":
        """The numbers 1 … bound (inclusive) that I lack."""
        return RangeSet.of((1, bound)) - self

    def mask(self, numbers: Bounds) -> NDArray[np.bool_]:
        """For each of `numbers` (int64, shape (n,)) whether it is in the set."""
        if not self:
            return np.zeros(len(numbers), dtype=np.bool_)
        at = np.searchsorted(self.lasts, numbers, side="left")
        inside = at < len(self.firsts)
        return inside & (self.firsts[np.minimum(at, len(self.firsts) - 1)] <= numbers)

    @property
    def size(self) -> int:
        """How many numbers are in the set."""
        return int((self.lasts - self.firsts).sum()) + len(self.firsts)

    @property
    def range_count(self) -> int:
        """How many ranges hold them."""
        return len(self.firsts)

    @property
    def highest(self) -> int:
        """The largest number, 0 in an empty set."""
        return int(self.lasts[-1]) if self else 0

    def pairs(self) -> Iterator[tuple[int, int]]:
        """The ranges as inclusive `(first, last)`, ascending."""
        return zip(self.firsts.tolist(), self.lasts.tolist(), strict=True)

    def __bool__(self) -> bool:
        return len(self.firsts) > 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RangeSet):
            return NotImplemented
        return np.array_equal(self.firsts, other.firsts) and np.array_equal(self.lasts, other.lasts)

    def __hash__(self) -> int:
        return hash((self.firsts.tobytes(), self.lasts.tobytes()))

    def __repr__(self) -> str:
        return f"RangeSet({', '.join(f'{a}-{b}' for a, b in self.pairs())})"
