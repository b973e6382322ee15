"""What has been fetched of one shard and waits to be taken into a batch."""

from collections import deque
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from stream_jobs.source.admission import Int64s, Queue
from stream_jobs.source.shard_cursor import Fetched, ShardCursor

_US = pa.timestamp("us", tz="UTC")


class Chunk(NamedTuple):
    """The index of one fetched stretch: per record its bytes, arrival (microseconds) and sequence number."""

    sizes: Int64s
    arrivals: Int64s
    sequences: list[str]

    @classmethod
    def of(cls, records: pa.Table) -> "Chunk":
        """The index of a stretch of records with the columns `cache.RECORDS`."""
        sizes = pa.compute.add(
            pa.compute.binary_length(records["data"]), pa.compute.binary_length(records["partitionKey"])
        )
        arrivals = records["approximateArrivalTimestamp"].cast(_US).cast(pa.int64())
        return cls(
            sizes.to_numpy().astype(np.int64), arrivals.to_numpy(), records["sequenceNumber"].to_pylist()
        )

    def after(self, count: int) -> "Chunk":
        """The same without its first `count` records."""
        return Chunk(self.sizes[count:], self.arrivals[count:], self.sequences[count:])


class Taken(NamedTuple):
    """The last record that a batch took from a shard; arrival in microseconds since 1970."""

    sequence: str
    arrival: int


class Feed:
    """One shard while it is read ahead: its cursor, and what waits. Guarded by its owner's lock."""

    def __init__(self, shard: str, cursor: ShardCursor, parents: tuple[str, ...]) -> None:
        self.shard = shard
        self.cursor = cursor
        self.parents = parents
        self.origin = cursor.position
        self.frontier = cursor.frontier
        self.behind_ms = 0
        self.answered = False
        self.drained = False
        self.busy = False
        self.due = 0.0
        self.failures = 0
        self.waiting_bytes = 0
        self._waiting: deque[Chunk] = deque()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def store(self, fetched: Fetched) -> None:
        """Append what an answer held."""
        self.answered = True
        self.frontier = fetched.frontier
        self.behind_ms = fetched.behind_ms
        if fetched.records is not None:
            chunk = Chunk.of(fetched.records)
            self._waiting.append(chunk)
            self.waiting_bytes += int(chunk.sizes.sum())

    def queue(self, until: int | None) -> Queue:
        """What waits, as the admission wants it; with `until`, only what arrived up to that microsecond."""
        if not self._waiting:
            return Queue(np.zeros(0, dtype=np.int64), 0)
        sizes = np.concatenate([chunk.sizes for chunk in self._waiting])
        if until is not None:
            beyond = np.concatenate([chunk.arrivals for chunk in self._waiting]) > until
            sizes = sizes[: int(beyond.argmax())] if beyond.any() else sizes
        return Queue(sizes, int(self._waiting[0].arrivals[0]))

    def take(self, count: int) -> Taken:
        """Remove the first `count` (at least 1) waiting records."""
        while True:
            chunk = self._waiting.popleft()
            part = min(count, len(chunk.sizes))
            self.waiting_bytes -= int(chunk.sizes[:part].sum())
            count -= part
            if count == 0:
                if part < len(chunk.sizes):
                    self._waiting.appendleft(chunk.after(part))
                return Taken(chunk.sequences[part - 1], int(chunk.arrivals[part - 1]))
