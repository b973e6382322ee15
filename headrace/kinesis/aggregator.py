"""Gathers user records into aggregates that KCL will deliver: one shard each, checked after the put.

KCL takes each sub-record's explicit hash key, else the MD5 of its partition key, and silently throws the
whole aggregate away when one of them lies outside the shard that it was read from. Hence:

- keyed records are gathered per shard of the map, and each goes by its own key;
- unkeyed records are gathered in order, so that an aggregate holds a run of them; all carry the one explicit
  hash key by which the aggregate itself is put, so wherever it lands, every one of them belongs there;
- the shard that PutRecords answers is held against what the aggregate contains (`Aggregate.fate_in`).
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from typing import Generic, TypeVar

from headrace.kinesis.aggregation import UserRecord, aggregate_alike, aggregate_keyed, deaggregate
from headrace.kinesis.messages import MAX_RECORD_BYTES, PutEntry
from headrace.kinesis.shard_map import MAX_HASH_KEY, Shard, ShardMap, hash_key, hash_key_of

TARGET_BYTES = 50_000
TARGET_RECORDS = 1_000
OUTER_KEY = "a"  # as the KPL: the explicit hash key decides, but Kinesis demands a partition key
_RECORD_OVERHEAD = 16  # tags and lengths; an estimate will do, so far below the limit of a record
_LONGEST_KEY_BYTES = 1024  # 256 characters
_GOLDEN = 0x9E3779B97F4A7C15F39CC0605CEDC835  # 2^128 / golden ratio: its multiples spread evenly
_KNOWN_KEYS = 1 << 15

Ref = TypeVar("Ref")


class Fate(Enum):
    """What becomes of an aggregate in the shard that took it."""

    DELIVERED = "each of its records belongs to that shard"
    UNKNOWN = "the map does not know that shard: fetch a new one and ask again, or send again"
    DISCARDED = "KCL will throw it away there: send its records again by a new map"


@dataclass(frozen=True, slots=True)
class Aggregate(Generic[Ref]):
    """One Kinesis record to put, and what it stands for.

    `refs` are the caller's names of the records inside, in order. `shard_id` is where it should land, None
    without a map. All hash keys inside lie in `lowest` to `highest`, which may be wider than they are.
    """

    entry: PutEntry
    refs: tuple[Ref, ...]
    shard_id: str | None
    lowest: int
    highest: int

    def fate_in(self, shard_id: str, shard_map: ShardMap | None) -> Fate:
        """Judge it by the shard that PutRecords named. A record alone is delivered from any shard."""
        if len(self.refs) == 1:
            return Fate.DELIVERED
        shard = None if shard_map is None else shard_map.find(shard_id)
        if shard is None:
            return Fate.UNKNOWN
        inside = (shard.takes(self.lowest) and shard.takes(self.highest)) or self._is_within(shard)
        return Fate.DELIVERED if inside else Fate.DISCARDED

    def records(self) -> list[UserRecord]:
        """The records inside."""
        hash_key = self.entry.explicit_hash_key
        alone = UserRecord(self.entry.partition_key, hash_key or None, self.entry.data)
        return [alone] if len(self.refs) == 1 else deaggregate(self.entry.data) or []

    def _is_within(self, shard: Shard) -> bool:
        records = self.records()
        return bool(records) and all(shard.takes(hash_key_of(record)) for record in records)


@dataclass(slots=True)
class _Pending(Generic[Ref]):
    """Keyed records of one shard that wait for their aggregate to fill."""

    shard: Shard
    items: list[tuple[Ref, bytes, str]] = field(default_factory=list)
    size: int = 0

    def seal(self) -> Aggregate[Ref]:
        """One record alone as it is, with its own key; several by the hash key of the first."""
        items, self.items, self.size = self.items, [], 0
        if len(items) == 1:
            return _alone(items[0], self.shard.shard_id)
        refs, records, keys = zip(*items, strict=True)
        entry = PutEntry(aggregate_keyed(keys, records), OUTER_KEY, str(hash_key(keys[0])))
        return Aggregate(entry, refs, self.shard.shard_id, self.shard.first, self.shard.last)


class _Places(dict[str, _Pending[Ref]]):
    """Where the records of a key wait; of the keys, those seen lately are known at once."""

    def __init__(self, shard_map: ShardMap) -> None:
        super().__init__()
        self._shard_map = shard_map
        self.by_shard: dict[str, _Pending[Ref]] = {}

    def __missing__(self, key: str) -> _Pending[Ref]:
        if len(self) >= _KNOWN_KEYS:
            self.clear()
        shard = self._shard_map.shard_of_key(key)
        pending = self[key] = self.by_shard.setdefault(shard.shard_id, _Pending(shard))
        return pending


@dataclass(slots=True)
class _Run(Generic[Ref]):
    """Unkeyed records that wait for their aggregate to fill."""

    records: list[bytes] = field(default_factory=list)
    refs: list[Ref] = field(default_factory=list)
    size: int = 0

    def seal(self, shard: Shard | None, hash_key: int) -> Aggregate[Ref]:
        """They go where the hash key is, and each carries it."""
        records, refs = self.records, tuple(self.refs)
        self.records, self.refs, self.size = [], [], 0
        text = str(hash_key)
        data = records[0] if len(records) == 1 else aggregate_alike(OUTER_KEY, text, records)
        return _run(PutEntry(data, OUTER_KEY, text), refs, shard, hash_key)


class Aggregator(Generic[Ref]):
    """Takes records, gives aggregates back as they fill; not for several threads at once."""

    def __init__(
        self,
        shard_map: ShardMap | None = None,
        *,
        target_bytes: int = TARGET_BYTES,
        target_records: int = TARGET_RECORDS,
    ) -> None:
        """Without a map, keyed records go out one by one, which needs none."""
        self._target_bytes = target_bytes
        self._target_records = target_records
        self._unkeyed: _Run[Ref] = _Run()
        self._turn = 0
        self.shard_map: ShardMap | None = None
        self._places: _Places[Ref] | None = None
        if shard_map is not None:
            self.take_map(shard_map)

    def add(
        self, records: Sequence[bytes], keys: Sequence[str | None], refs: Sequence[Ref]
    ) -> list[Aggregate[Ref]]:
        """Take records, given in columns; returns the aggregates that they filled, in order.

        A record without a key may go to any shard. Records of one key stay in order, and so do those without.
        Raises ValueError, and takes none, when one fits into no Kinesis record.
        """
        _check(records)
        if keys.count(None) == len(keys):
            return self._add_unkeyed(records, refs)
        full: list[Aggregate[Ref]] = []
        places, target, most = self._places, self._target_bytes, self._target_records
        for ref, record, key in zip(refs, records, keys, strict=True):
            if key is None:
                full += self._add_unkeyed([record], [ref])
                continue
            if places is None:
                full.append(_alone((ref, record, key)))
                continue
            pending = places[key]
            size = pending.size + len(record) + len(key) + _RECORD_OVERHEAD
            if size > target and pending.items:
                size -= pending.size
                full.append(pending.seal())
            pending.items.append((ref, record, key))
            pending.size = size
            if size >= target or len(pending.items) >= most:
                full.append(pending.seal())
        return full

    def _add_unkeyed(self, records: Sequence[bytes], refs: Sequence[Ref]) -> list[Aggregate[Ref]]:
        full: list[Aggregate[Ref]] = []
        run, target, most = self._unkeyed, self._target_bytes, self._target_records
        ends = [0, *accumulate(map(_RECORD_OVERHEAD.__add__, map(len, records)))]
        at = 0
        while at < len(records):
            room = bisect_right(ends, target - run.size + ends[at]) - 1
            until = max(min(room, at + most - len(run.records)), at if run.records else at + 1)
            run.records += records[at:until]
            run.refs += refs[at:until]
            run.size += ends[until] - ends[at]
            if until < len(records) or run.size >= target or len(run.records) >= most:
                full.append(self._next_run())
            at = until
        return full

    def flush(self) -> list[Aggregate[Ref]]:
        """Everything that waits, as it is."""
        full = [pending.seal() for pending in self._keyed() if pending.items]
        return [*full, self._next_run()] if self._unkeyed.records else full

    def take_map(self, shard_map: ShardMap) -> list[Aggregate[Ref]]:
        """Go on with a new map; returns what filled when the waiting records were sorted anew."""
        waiting = self._keyed()
        self.shard_map = shard_map
        self._places = _Places(shard_map)
        return [one for pending in waiting for one in self._add_items(pending.items)]

    def again(self, lost: Aggregate[Ref]) -> list[Aggregate[Ref]]:
        """The records of an aggregate that was put in vain, sorted by the present map, ready to send.

        They do not mix with those that wait: they are older and go first.
        """
        records = lost.records()
        explicit = records[0].explicit_hash_key
        if explicit is not None:  # unkeyed: all carry the same one, so that any shard may take them
            shard = None if self.shard_map is None else self.shard_map.shard_of(int(explicit))
            return [_run(lost.entry, lost.refs, shard, int(explicit))]
        one = Aggregator[Ref](self.shard_map, target_bytes=self._target_bytes)
        keys = [record.partition_key for record in records]
        return one.add([record.data for record in records], keys, lost.refs) + one.flush()

    def _keyed(self) -> list[_Pending[Ref]]:
        return [] if self._places is None else list(self._places.by_shard.values())

    def _add_items(self, items: list[tuple[Ref, bytes, str]]) -> list[Aggregate[Ref]]:
        return self.add([item[1] for item in items], [item[2] for item in items], [item[0] for item in items])

    def _next_run(self) -> Aggregate[Ref]:
        """Close the run of unkeyed records and give it to the next shard in turn."""
        self._turn += 1
        if self.shard_map is None:
            return self._unkeyed.seal(None, self._turn * _GOLDEN & MAX_HASH_KEY)
        shard = self.shard_map.shards[self._turn % len(self.shard_map.shards)]
        return self._unkeyed.seal(shard, (shard.first + shard.last) // 2)


def _alone(item: tuple[Ref, bytes, str], shard_id: str | None = None) -> Aggregate[Ref]:
    ref, record, key = item
    place = hash_key(key)
    return Aggregate(PutEntry(record, key), (ref,), shard_id, place, place)


def _run(entry: PutEntry, refs: tuple[Ref, ...], shard: Shard | None, hash_key: int) -> Aggregate[Ref]:
    return Aggregate(entry, refs, None if shard is None else shard.shard_id, hash_key, hash_key)


def _check(records: Sequence[bytes]) -> None:
    longest = max(map(len, records), default=0)
    if longest > MAX_RECORD_BYTES - _LONGEST_KEY_BYTES:
        raise ValueError(f"a record of {longest} bytes does not fit into one of Kinesis")
