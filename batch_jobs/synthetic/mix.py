"""Draws that are made often: a chance, and a weighted choice."""

from bisect import bisect
from collections.abc import Mapping
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


def chance(rng: Random, share: float) -> bool:
    """True in `share` of all draws."""
    return rng.random() < share


class Mix(Generic[T]):
    """Values with their weights; one draw takes one number of the stream."""

    def __init__(self, weights: Mapping[T, float]) -> None:
        self._values = tuple(weights)
        self._bounds = list(accumulate(weights.values()))
        self._whole = self._bounds[-1]

    def draw(self, rng: Random) -> T:
        """One of the values."""
        return self._values[bisect(self._bounds, rng.random() * self._whole)]
