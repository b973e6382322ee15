"""Gathers user records into aggregates that KCL will deliver: one shard each, checked after the put.

KCL takes each sub-record's explicit hash key, else the MD5 of its partition key, and silently throws the
whole aggregate away when one of them lies outside the shard that it was read from. Hence:

- keyed records are gathered per shard of the map, and each goes by its own key;
- unkeyed records are gathered in order, so that an aggregate holds a run of them; all carry the one explicit
  hash key by which the aggregate itself is put, so wherever it lands, every one of them belongs there;
- the shard that PutRecords answers is held against what the aggregate contains (`Aggregate.fate_in`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from headrace.kinesis.aggregation import UserRecord, aggregate, deaggregate
from headrace.kinesis.messages import MAX_RECORD_BYTES, PutEntry
from headrace.kinesis.shard_map import MAX_HASH_KEY, ShardMap, hash_key_of

TARGET_BYTES = 50_000
TARGET_RECORDS = 1_000
OUTER_KEY = "a"  # as the KPL: the explicit hash key decides, but Kinesis demands a partition key
_RECORD_OVERHEAD = 16  # tags and lengths; an estimate will do, so far below the limit of a record
_GOLDEN = 0x9E3779B97F4A7C15F39CC0605CEDC835  # 2^128 / golden ratio: its multiples spread evenly

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
    without a map. `lowest` and `highest` bound the hash keys of the records inside.
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
        inside = shard.takes(self.lowest) and shard.takes(self.highest)
        return Fate.DELIVERED if inside else Fate.DISCARDED

    def records(self) -> list[UserRecord]:
        """The records inside."""
        hash_key = self.entry.explicit_hash_key
        alone = UserRecord(self.entry.partition_key, hash_key or None, self.entry.data)
        return [alone] if len(self.refs) == 1 else deaggregate(self.entry.data) or []


@dataclass(slots=True)
class _Pending(Generic[Ref]):
    """Records that wait for their aggregate to fill."""

    shard_id: str | None = None
    records: list[UserRecord] = field(default_factory=list)
    refs: list[Ref] = field(default_factory=list)
    hash_keys: list[int] = field(default_factory=list)
    size: int = 0


class Aggregator(Generic[Ref]):
    """Takes records one by one, gives aggregates back as they fill; not for several threads at once."""

    def __init__(
        self,
        shard_map: ShardMap | None = None,
        *,
        target_bytes: int = TARGET_BYTES,
        target_records: int = TARGET_RECORDS,
    ) -> None:
        """Without a map, keyed records go out one by one, which needs none."""
        self.shard_map = shard_map
        self._target_bytes = target_bytes
        self._target_records = target_records
        self._keyed: dict[tuple[str, bool], _Pending[Ref]] = {}
        self._unkeyed: _Pending[Ref] = _Pending()
        self._turn = 0

    def add(self, record: UserRecord, ref: Ref) -> list[Aggregate[Ref]]:
        """Take a keyed record; returns the aggregates that this filled, in order.

        Records of one key stay in order. Raises ValueError for one that no Kinesis record can hold.
        """
        size = len(record.data) + len(record.partition_key) + _RECORD_OVERHEAD
        self._check(record.data, record.partition_key)
        hash_key = hash_key_of(record)
        if self.shard_map is None:
            return [_seal(_Pending(None, [record], [ref], [hash_key]))]
        shard_id = self.shard_map.shard_of(hash_key).shard_id
        # The AWS de-aggregator for Python wants an explicit hash key on all records of an aggregate or none.
        place = (shard_id, record.explicit_hash_key is not None)
        pending = self._keyed.get(place)
        full: list[Aggregate[Ref]] = []
        if pending is not None and pending.size + size > self._target_bytes:
            full.append(_seal(self._keyed.pop(place)))
            pending = None
        if pending is None:
            pending = self._keyed[place] = _Pending(shard_id)
        pending.records.append(record)
        pending.refs.append(ref)
        pending.hash_keys.append(hash_key)
        pending.size += size
        if pending.size >= self._target_bytes or len(pending.refs) >= self._target_records:
            full.append(_seal(self._keyed.pop(place)))
        return full

    def add_unkeyed(self, data: bytes, ref: Ref) -> list[Aggregate[Ref]]:
        """Take a record that may go to any shard; returns the aggregates that this filled, in order.

        Raises ValueError for one that no Kinesis record can hold.
        """
        self._check(data, OUTER_KEY)
        pending, size = self._unkeyed, len(data) + _RECORD_OVERHEAD
        full: list[Aggregate[Ref]] = []
        if pending.refs and pending.size + size > self._target_bytes:
            full.append(self._next_run())
            pending = self._unkeyed
        pending.records.append(UserRecord(OUTER_KEY, None, data))
        pending.refs.append(ref)
        pending.size += size
        if pending.size >= self._target_bytes or len(pending.refs) >= self._target_records:
            full.append(self._next_run())
        return full

    def flush(self) -> list[Aggregate[Ref]]:
        """Everything that waits, as it is."""
        full = [_seal(pending) for pending in self._keyed.values()]
        self._keyed = {}
        if self._unkeyed.refs:
            full.append(self._next_run())
        return full

    def take_map(self, shard_map: ShardMap) -> list[Aggregate[Ref]]:
        """Go on with a new map; returns what filled when the waiting records were sorted anew."""
        waiting, self._keyed = self._keyed, {}
        self.shard_map = shard_map
        full: list[Aggregate[Ref]] = []
        for pending in waiting.values():
            full += self._add_all(pending.records, pending.refs)
        return full

    def again(self, lost: Aggregate[Ref]) -> list[Aggregate[Ref]]:
        """The records of an aggregate that was put in vain, sorted by the present map, ready to send.

        They do not mix with those that wait: they are older and go first.
        """
        one = Aggregator[Ref](self.shard_map, target_bytes=self._target_bytes)
        return one._add_all(lost.records(), lost.refs) + one.flush()

    def _add_all(self, records: Iterable[UserRecord], refs: Iterable[Ref]) -> list[Aggregate[Ref]]:
        full: list[Aggregate[Ref]] = []
        for record, ref in zip(records, refs, strict=True):
            full += self.add(record, ref)
        return full

    def _next_run(self) -> Aggregate[Ref]:
        """Close the run of unkeyed records and give it to the next shard in turn."""
        pending, self._unkeyed = self._unkeyed, _Pending()
        self._turn += 1
        if self.shard_map is None:
            hash_key = self._turn * _GOLDEN & MAX_HASH_KEY
        else:
            shard = self.shard_map.shards[self._turn % len(self.shard_map.shards)]
            pending.shard_id, hash_key = shard.shard_id, (shard.first + shard.last) // 2
        text = str(hash_key)
        pending.records = [UserRecord(OUTER_KEY, text, data) for _, _, data in pending.records]
        pending.hash_keys = [hash_key]
        return _seal(pending)

    @staticmethod
    def _check(data: bytes, key: str) -> None:
        if len(data) + len(key.encode()) > MAX_RECORD_BYTES:
            raise ValueError(f"a record of {len(data)} bytes does not fit into one of Kinesis")


def _seal(pending: _Pending[Ref]) -> Aggregate[Ref]:
    """The Kinesis record: one alone as it is, with its own key; several by the hash key of the first."""
    first = pending.records[0]
    if len(pending.records) > 1:
        entry = PutEntry(aggregate(pending.records), OUTER_KEY, str(pending.hash_keys[0]))
    elif first.explicit_hash_key is None:
        entry = PutEntry(first.data, first.partition_key)
    else:
        entry = PutEntry(first.data, first.partition_key, first.explicit_hash_key)
    lowest, highest = min(pending.hash_keys), max(pending.hash_keys)
    return Aggregate(entry, tuple(pending.refs), pending.shard_id, lowest, highest)
