"""How much of what waits goes into the next batch: bounded in rows and bytes, fair over shards."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]


class Limits(NamedTuple):
    """The most that one batch may hold; a single record beyond the bytes is admitted alone."""

    rows: int
    size: int
    rows_per_shard: int


class Queue(NamedTuple):
    """What waits in one shard.

    Attributes:
        sizes: bytes of the records in their order, one element each.
        oldest: when the first of them arrived, microseconds since 1970.
    """

    sizes: Int64s
    oldest: int


def admit(queues: Mapping[str, Queue], limits: Limits) -> dict[str, int]:
    """How many records of each shard the next batch takes; shards that give none are left out.

    The shards' first records go in first, the oldest ahead, so that no shard starves however large they are;
    then each shard gets an equal part of what is left, and what it cannot use goes to the others.
    """
    waiting = {shard: queue for shard, queue in queues.items() if len(queue.sizes)}
    taken = _heads(waiting, limits)
    rows = limits.rows - len(taken)
    size = limits.size - sum(int(waiting[shard].sizes[0]) for shard in taken)
    totals = {shard: np.cumsum(waiting[shard].sizes) for shard in taken}
    by_need = sorted(taken, key=lambda shard: (int(totals[shard][-1]), shard))
    for number, shard in enumerate(by_need):
        sharers = len(by_need) - number
        total = totals[shard]
        first = int(total[0])
        fitting = int(np.searchsorted(total, first + max(size, 0) // sharers, side="right"))
        count = max(1, min(fitting, 1 + max(rows, 0) // sharers, limits.rows_per_shard))
        taken[shard] = count
        rows -= count - 1
        size -= int(total[count - 1]) - first
    return taken


def _heads(waiting: Mapping[str, Queue], limits: Limits) -> dict[str, int]:
    taken: dict[str, int] = {}
    size = 0
    for shard in sorted(waiting, key=lambda name: (waiting[name].oldest, name)):
        head = int(waiting[shard].sizes[0])
        if taken and (len(taken) >= limits.rows or size + head > limits.size):
            continue
        taken[shard] = 1
        size += head
    return taken
