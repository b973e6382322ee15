"""What the stream job hands over for one batch, and what it is asked to leave out: plain data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from headrace.warehouse.ranges import RangeSet

BREAKER_SHARE = 0.05
"""The share of rejected records above which a type's breaker opens, unless a setting says otherwise."""

Place = tuple[str, int]
"""A source, and the partition of the batch that held its records."""


@dataclass(frozen=True)
class BatchId:
    """Which batch this is.

    Args:
        stream: the stream's identity, `<name>@<creation>`, so that a stream made anew is another one. Its
            shards replace those of the former stream of that name in the common frontier.
        query_id: Spark's `query.id`, which survives restarts; batch ids restart with a new checkpoint.
        batch_id: Spark's batch id.
        end_positions: canonical JSON of the offsets up to which the batch reads. One batch id with
            two different ends is a broken invariant (`BatchMismatch`).
    """

    stream: str
    query_id: str
    batch_id: int
    end_positions: str


@dataclass(frozen=True)
class Status:
    """One `producer_status` record. `arrived_at` is its own arrival in the stream (aware, UTC)."""

    source: str
    spooled: int
    acknowledged: int
    closed: bool
    arrived_at: datetime


@dataclass(frozen=True)
class ShardProgress:
    """How far one shard has been read.

    Args:
        shard: the shard's id.
        position: sequence number of the last record read, decimal text; '' before the first.
        frontier: every record that arrived before it has been read (aware, UTC); never from our own clock.
        closed: the shard is closed and drained: nothing will ever follow.
        parents: ids of the shards it came from (none, one after a split, two after a merge).
            All children of one shard must appear in one batch: as soon as one of them is here, the
            drained parent no longer holds the common frontier back.
    """

    shard: str
    position: str
    frontier: datetime
    closed: bool = False
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exclusions:
    """What a fold must not count.

    Args:
        duplicates: numbers to drop, good or bad, and to add to `FoldedBatch.dropped`: of
            (source, partition), or of a source in every partition (source, None).
        too_scattered: good records of a source to reject with code `too_scattered` instead of counting:
            they go to `rejects` with their source and number, and into neither `counted`, `rejected`,
            `types` nor any window.
    """

    duplicates: Mapping[tuple[str, int | None], RangeSet] = field(default_factory=dict)
    too_scattered: Mapping[str, RangeSet] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.duplicates or self.too_scattered)


@dataclass(frozen=True)
class FoldedBatch:
    """One batch, decoded, de-duplicated inside each partition, and folded into additive partial results.

    Args:
        counted: numbers of the good records, per (source, partition); disjoint from `rejected` of the
            same place (a good copy wins over a bad one).
        rejected: numbers of the bad records, where source and number were readable.
        dropped: duplicates dropped by this fold, per source (inside partitions, and by exclusion).
        types: good records with a number, per record type.
        windows: per output, partial rows: the columns of the output's table without its quantile and distinct
            columns and without `updated_at`; one row per window and keys. Empty ones may be left out.
        parts: per output, rows of its parts table; one row per window, keys, measure and part.
        minutes: records counted and rejected (with or without a number), per record type ('' for one that is
            unreadable or not declared) and the minute in which they arrived (aware, UTC, its beginning).
        rejects: rows of the `rejects` table (`system_tables.REJECTS`), one per id.
        statuses: the batch's producer statuses, in any order.
        progress: one entry per shard that the batch moved (or all of them).
    """

    counted: Mapping[Place, RangeSet]
    rejected: Mapping[Place, RangeSet]
    dropped: Mapping[str, int]
    types: Mapping[str, int]
    windows: Mapping[str, pa.Table]
    parts: Mapping[str, pa.Table]
    minutes: Mapping[tuple[str, datetime], tuple[int, int]]
    rejects: pa.Table | None
    statuses: Sequence[Status]
    progress: Sequence[ShardProgress]


Fold = Callable[[Exclusions], FoldedBatch]
"""Folds the same batch again at each call, leaving out what it is told. Must be repeatable."""


@dataclass(frozen=True)
class TypeShare:
    """One record type over the minutes that the breaker judges by (`headrace.warehouse.breaker`).

    Args:
        record_type: '' for records whose type is unreadable or not declared.
        counted: good records that arrived in them.
        rejected: rejected records that arrived in them.
        is_open: the breaker, after this batch.
        was_open: before it.
    """

    record_type: str
    counted: int
    rejected: int
    is_open: bool
    was_open: bool

    @property
    def share(self) -> float:
        """What part of the records was rejected; 0 of none."""
        return self.rejected / max(self.counted + self.rejected, 1)


@dataclass(frozen=True)
class Committed:
    """A batch that is in the warehouse.

    Args:
        already: it was there before this call (a replay); the counts are then 0.
        counted: numbers that this batch counted.
        rejected: numbers that it rejected.
        dropped: duplicates that it dropped.
        refolds: how many times the fold ran again with exclusions.
        shares: what the breaker made of each record type that it looked at; none for a replay.
    """

    already: bool
    counted: int = 0
    rejected: int = 0
    dropped: int = 0
    refolds: int = 0
    shares: Sequence[TypeShare] = ()
