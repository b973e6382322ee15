"""Gathers user records into aggregates that KCL will deliver: one shard each, checked after the put.

KCL takes each sub-record's explicit hash key, else the MD5 of its partition key, and silently throws the
whole aggregate away when one of them lies outside the shard that it was read from. Hence:

- keyed records are gathered per shard of the map, and each goes by its own key;
- unkeyed records are gathered in order, so that an aggregate holds a run of them; all carry the one explicit
  hash key by which the aggregate itself is put, so wherever it lands, every one of them belongs there;
- the shard that PutRecords answers is held against what the aggregate contains (`Aggregate.fate_in`).
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from operator import add
from typing import Any, Generic, TypeVar, cast

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


_Columns = tuple[Sequence[bytes], Sequence[str | None], Sequence[Ref]]


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
class _Place(Generic[Ref]):
    """Where records wait for their aggregate to fill: those of one shard; without one, unkeyed ones.

    `picked` is for `Aggregator.add`: where in its columns the records of this place stand.
    """

    shard: Shard | None = None
    picked: list[int] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    refs: list[Ref] = field(default_factory=list)
    size: int = 0

    def fill(self, columns: _Columns[Ref], *, target: int, most: int) -> Iterator[None]:
        """Take records; yields whenever this place is full, and is to be empty when it goes on."""
        records, keys, refs = columns
        size = self.size + _RECORD_OVERHEAD * len(records) + sum(map(len, records))
        if self.shard is not None:
            size += sum(map(len, cast("Sequence[str]", keys)))
        if size < target and len(self.records) + len(records) < most:  # nearly always
            self._take(columns, size)
            return
        ends = [0, *accumulate(_sizes(records, None if self.shard is None else cast("Sequence[str]", keys)))]
        at = 0
        while at < len(records):
            room = bisect_right(ends, target - self.size + ends[at]) - 1
            until = max(min(room, at + most - len(self.records)), at if self.records else at + 1)
            self._take(
                (records[at:until], keys[at:until], refs[at:until]), self.size + ends[until] - ends[at]
            )
            if until < len(records) or self.size >= target or len(self.records) >= most:
                yield
            at = until

    def _take(self, columns: _Columns[Ref], size: int) -> None:
        self.records += columns[0]
        self.keys += columns[1]
        self.refs += columns[2]
        self.size = size

    def empty(self) -> tuple[list[bytes], list[str | None], tuple[Ref, ...]]:
        """The records, their keys and names, which wait here no more."""
        emptied = self.records, self.keys, tuple(self.refs)
        self.records, self.keys, self.refs, self.size = [], [], [], 0
        return emptied


class _Places(dict[str | None, list[int]]):
    """Key -> `picked` of its place; keys that were seen lately are known at once."""

    def __init__(self, shard_map: ShardMap, unkeyed: _Place[Any]) -> None:
        super().__init__()
        self._shard_map = shard_map
        self._unkeyed = unkeyed
        self.by_shard: dict[str, _Place[Any]] = {}

    def __missing__(self, key: str | None) -> list[int]:
        if len(self) >= _KNOWN_KEYS:
            self.clear()
        if key is None:
            place = self._unkeyed
        else:
            shard = self._shard_map.shard_of_key(key)
            place = self.by_shard.setdefault(shard.shard_id, _Place(shard))
        self[key] = place.picked
        return place.picked


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
        self._unkeyed: _Place[Ref] = _Place()
        self._turn = 0
        self.shard_map: ShardMap | None = None
        self._places: _Places | None = None
        if shard_map is not None:
            self.take_map(shard_map)

    def add(
        self, records: Sequence[bytes], keys: Sequence[str | None], refs: Sequence[Ref]
    ) -> list[Aggregate[Ref]]:
        """Take records, given in columns; returns the aggregates that they filled, in order per shard.

        A record without a key may go to any shard. Records of one key stay in order, and so do those without.
        Raises ValueError, and takes none, when one fits into no Kinesis record.
        """
        _check(records)
        if keys.count(None) == len(keys):
            return self._fill(self._unkeyed, (records, keys, refs))
        places = self._places
        if places is None:
            return self._add_without_map(records, keys, refs)
        for at, key in enumerate(keys):
            places[key].append(at)
        full: list[Aggregate[Ref]] = []
        for place in (self._unkeyed, *places.by_shard.values()):
            if picked := place.picked:
                picks = (list(map(column.__getitem__, picked)) for column in (records, keys, refs))
                full += self._fill(place, cast("_Columns[Ref]", tuple(picks)))
                picked.clear()
        return full

    def flush(self) -> list[Aggregate[Ref]]:
        """Everything that waits, as it is."""
        return [self._seal(place) for place in (*self._keyed(), self._unkeyed) if place.records]

    def take_map(self, shard_map: ShardMap) -> list[Aggregate[Ref]]:
        """Go on with a new map; returns what filled when the waiting records were sorted anew."""
        waiting = self._keyed()
        self.shard_map = shard_map
        self._places = _Places(shard_map, self._unkeyed)
        return [one for place in waiting for one in self.add(place.records, place.keys, place.refs)]

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

    def _keyed(self) -> list[_Place[Ref]]:
        return [] if self._places is None else list(self._places.by_shard.values())

    def _add_without_map(
        self, records: Sequence[bytes], keys: Sequence[str | None], refs: Sequence[Ref]
    ) -> list[Aggregate[Ref]]:
        full: list[Aggregate[Ref]] = []
        for record, key, ref in zip(records, keys, refs, strict=True):
            unkeyed = key is None
            full += self.add([record], [key], [ref]) if unkeyed else [_alone(record, key or "", ref, None)]
        return full

    def _fill(self, place: _Place[Ref], columns: _Columns[Ref]) -> list[Aggregate[Ref]]:
        full = place.fill(columns, target=self._target_bytes, most=self._target_records)
        return [self._seal(place) for _ in full]

    def _seal(self, place: _Place[Ref]) -> Aggregate[Ref]:
        """Keyed records by the hash key of the first; a run of unkeyed ones for the next shard in turn."""
        records, keys, refs = place.empty()
        if place.shard is not None:
            return _of_shard(records, cast("list[str]", keys), refs, place.shard)
        self._turn += 1
        if self.shard_map is None:
            shard, hash_key = None, self._turn * _GOLDEN & MAX_HASH_KEY
        else:
            shard = self.shard_map.shards[self._turn % len(self.shard_map.shards)]
            hash_key = (shard.first + shard.last) // 2
        text = str(hash_key)
        data = records[0] if len(records) == 1 else aggregate_alike(OUTER_KEY, text, records)
        return _run(PutEntry(data, OUTER_KEY, text), refs, shard, hash_key)


def _of_shard(records: list[bytes], keys: list[str], refs: tuple[Ref, ...], shard: Shard) -> Aggregate[Ref]:
    """Keyed records: one alone as it is, with its own key."""
    if len(records) == 1:
        return _alone(records[0], keys[0], refs[0], shard.shard_id)
    entry = PutEntry(aggregate_keyed(keys, records), OUTER_KEY, str(hash_key(keys[0])))
    return Aggregate(entry, refs, shard.shard_id, shard.first, shard.last)


def _alone(record: bytes, key: str, ref: Ref, shard_id: str | None) -> Aggregate[Ref]:
    place = hash_key(key)
    return Aggregate(PutEntry(record, key), (ref,), shard_id, place, place)


def _run(entry: PutEntry, refs: tuple[Ref, ...], shard: Shard | None, hash_key: int) -> Aggregate[Ref]:
    return Aggregate(entry, refs, None if shard is None else shard.shard_id, hash_key, hash_key)


def _sizes(records: Sequence[bytes], keys: Sequence[str] | None) -> Iterator[int]:
    sizes = map(_RECORD_OVERHEAD.__add__, map(len, records))
    return sizes if keys is None else map(add, sizes, map(len, keys))


def _check(records: Sequence[bytes]) -> None:
    longest = max(map(len, records), default=0)
    if longest > MAX_RECORD_BYTES - _LONGEST_KEY_BYTES:
        raise ValueError(f"a record of {longest} bytes does not fit into one of Kinesis")
