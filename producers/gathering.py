"""Records on their way into aggregates, and for how long those that are not full have waited."""

from collections import deque
from collections.abc import Sequence

from headrace.kinesis.aggregator import TARGET_BYTES, Aggregate, Aggregator
from headrace.kinesis.shard_map import ShardMap
from headrace.ops.clock import Clock

_ORDERED_TARGET_BYTES = 160_000
"""Where one aggregate of a shard is under way: at 150 ms a round trip it still fills the shard's 1 MiB/s."""


class Gathering:
    """Aggregates named by the numbers of the records inside.

    `unfit` are records, by number, that the stream does not take: another one is to be added for each.
    """

    def __init__(self, clock: Clock, *, keyed: bool) -> None:
        self._clock = clock
        self._aggregator: Aggregator[int] = Aggregator(
            target_bytes=_ORDERED_TARGET_BYTES if keyed else TARGET_BYTES
        )
        self._waiting = 0
        self._since = 0.0
        self.unfit: deque[tuple[int, bytes]] = deque()

    @property
    def shard_map(self) -> ShardMap | None:
        """The shards that records are gathered for."""
        return self._aggregator.shard_map

    def add(
        self, first: int, records: Sequence[bytes], keys: Sequence[str | None], *, largest: int
    ) -> list[Aggregate[int]]:
        """Take records, numbered from `first` on; returns what this has filled."""
        if max(map(len, records), default=0) > largest:
            return self._add_fitting(first, records, keys, largest)
        full = self._aggregator.add(records, keys, range(first, first + len(records)))
        if not self._waiting:
            self._since = self._clock.monotonic()
        self._waiting += len(records)
        return self._let_go(full)

    def flush(self, *, after: float) -> list[Aggregate[int]]:
        """What is not full, once its first record has waited so many seconds."""
        if not self._waiting or self._clock.monotonic() - self._since < after:
            return []
        return self._let_go(self._aggregator.flush())

    def take_map(self, shard_map: ShardMap) -> list[Aggregate[int]]:
        """Go on with a new map; returns what filled when the waiting records were sorted anew."""
        return self._let_go(self._aggregator.take_map(shard_map))

    def again(self, lost: Aggregate[int]) -> list[Aggregate[int]]:
        """The records of an aggregate that was put in vain, sorted by the present map."""
        return self._aggregator.again(lost)

    def _add_fitting(
        self, first: int, records: Sequence[bytes], keys: Sequence[str | None], largest: int
    ) -> list[Aggregate[int]]:
        full: list[Aggregate[int]] = []
        for number, (record, key) in enumerate(zip(records, keys, strict=True), first):
            if len(record) > largest:
                self.unfit.append((number, record))
            else:
                full += self.add(number, [record], [key], largest=largest)
        return full

    def _let_go(self, aggregates: list[Aggregate[int]]) -> list[Aggregate[int]]:
        self._waiting -= sum(len(aggregate.refs) for aggregate in aggregates)
        return aggregates
