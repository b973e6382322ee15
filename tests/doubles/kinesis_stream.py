"""The state behind the Kinesis double: streams, shards, records, sequence numbers, retention, throughput."""

import random
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import md5

import msgspec

MAX_HASH_KEY = (1 << 128) - 1
SEQUENCE_BASE = 495 * 10**53  # sequence numbers have 56 digits
WRITE_RECORDS, WRITE_BYTES = 1000, 1 << 20  # a second and shard
READ_CALLS, READ_BYTES = 5, 2 << 20
_ROUNDING = 1e-3
ANSWER_RECORDS, ANSWER_BYTES = 10_000, 10 << 20


class Wire(msgspec.Struct, rename="pascal"):
    """A record as GetRecords sends it."""

    sequence_number: str
    approximate_arrival_timestamp: float
    data: bytes
    partition_key: str


@dataclass(slots=True)
class StoredRecord:
    """A record in a shard; `arrival` in seconds since 1970, to the millisecond."""

    sequence: int
    arrival: float
    partition_key: str
    explicit_hash_key: str | None
    data: bytes
    encoded: bytes | None = None

    @property
    def size(self) -> int:
        return len(self.data) + len(self.partition_key)

    def wire(self, *, keep: bool) -> bytes:
        """Its JSON; kept for the next time when serving must cost little."""
        if self.encoded is not None:
            return self.encoded
        encoded = msgspec.json.encode(Wire(str(self.sequence), self.arrival, self.data, self.partition_key))
        if keep:
            self.encoded = encoded
        return encoded


class Bucket:
    """A token bucket on the double's clock. It may go into debt: what is large blocks what comes after."""

    def __init__(self, rate: float, now: float) -> None:
        self.rate, self.tokens, self.at = rate, rate, now

    def refill(self, now: float) -> float:
        self.tokens = min(self.rate, self.tokens + (now - self.at) * self.rate)
        self.at = now
        return self.tokens


@dataclass
class Shard:
    """A range of hash keys; closed once `ending` is set, and readable as long as its records last."""

    shard_id: str
    first: int
    last: int
    starting: int
    opened: float
    parents: tuple[str, ...] = ()
    ending: int | None = None
    closed: float | None = None
    children: list["Shard"] = field(default_factory=list)
    records: list[StoredRecord] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    buckets: dict[str, Bucket] = field(default_factory=dict)

    def takes(self, hash_key: int) -> bool:
        return self.ending is None and self.first <= hash_key <= self.last

    def allows(self, now: float, **cost: float) -> bool:
        """Whether each named bucket has the tokens, or is full; only then are all of them taken."""
        rates = {
            "write_records": WRITE_RECORDS,
            "write_bytes": WRITE_BYTES,
            "read_calls": READ_CALLS,
            "read_bytes": READ_BYTES,
        }
        for name in cost:
            self.buckets.setdefault(name, Bucket(rates[name], now)).refill(now)
        if any(
            self.buckets[name].tokens < min(tokens or 1, rates[name]) - _ROUNDING
            for name, tokens in cost.items()
        ):
            return False
        self.charge(**cost)
        return True

    def charge(self, **cost: float) -> None:
        for name, tokens in cost.items():
            if name in self.buckets:
                self.buckets[name].tokens -= tokens

    def read(self, position: int, limit: int) -> list[StoredRecord]:
        """The records from this sequence number on, as many as one answer may hold."""
        at = bisect_left(self.sequences, position)
        size, end = 0, at
        while end < len(self.records) and end - at < min(limit, ANSWER_RECORDS):
            size += self.records[end].size
            if size > ANSWER_BYTES and end > at:
                break
            end += 1
        return self.records[at:end]

    def next_after(self, position: int) -> StoredRecord | None:
        at = bisect_left(self.sequences, position)
        return self.records[at] if at < len(self.records) else None

    def drop_before(self, arrival: float) -> None:
        keep = bisect_left(self.records, arrival, key=lambda record: record.arrival)
        del self.records[:keep], self.sequences[:keep]


class Stream:
    """One life of a stream: a name made anew is another one, with another creation time."""

    def __init__(self, name: str, shards: int, now: float, *, on_demand: bool, seed: int) -> None:
        self.name, self.created, self.on_demand = name, now, on_demand
        self.retention_hours = 24
        self.max_record_bytes = 1 << 20
        self.active_at = now
        self._random = random.Random(f"{seed} {name} {now}")
        self._sequence = SEQUENCE_BASE + int(now * 1000) * 10**36
        self.shards: dict[str, Shard] = {}
        self._made = 0
        width = (MAX_HASH_KEY + 1) // shards
        for n in range(shards):
            last = MAX_HASH_KEY if n == shards - 1 else (n + 1) * width - 1
            self.open_shard(n * width, last, now)

    def next_sequence(self) -> int:
        """Strictly growing over the whole stream, with gaps as in life."""
        self._sequence += self._random.randint(1, 10**9)
        return self._sequence

    def open_shard(self, first: int, last: int, now: float, parents: Sequence[Shard] = ()) -> Shard:
        shard_id = f"shardId-{self._made:012d}"
        self._made += 1
        shard = Shard(shard_id, first, last, self.next_sequence(), now, tuple(p.shard_id for p in parents))
        self.shards[shard_id] = shard
        return shard

    @property
    def open(self) -> list[Shard]:
        return [shard for shard in self.shards.values() if shard.ending is None]

    def shard_for(self, partition_key: str, explicit_hash_key: str | None) -> Shard:
        digest = md5(partition_key.encode(), usedforsecurity=False).digest()
        key = int.from_bytes(digest) if explicit_hash_key is None else int(explicit_hash_key)
        return next(shard for shard in self.shards.values() if shard.takes(key))

    def append(self, shard: Shard, key: str, hash_key: str | None, data: bytes, now: float) -> StoredRecord:
        """Put a record into this shard, whatever its key."""
        record = StoredRecord(self.next_sequence(), now, key, hash_key, data)
        shard.records.append(record)
        shard.sequences.append(record.sequence)
        return record

    def replace(self, parents: Sequence[Shard], ranges: Iterable[tuple[int, int]], now: float) -> list[Shard]:
        """Close the parents and open a child per range: a split or a merge."""
        for parent in parents:
            parent.ending, parent.closed = self.next_sequence(), now
        children = [self.open_shard(first, last, now, parents) for first, last in ranges]
        for parent in parents:
            parent.children = children
        return children

    def trim(self, now: float) -> None:
        """Forget what is past the retention: records, then shards closed for as long."""
        horizon = now - self.retention_hours * 3600
        for shard in list(self.shards.values()):
            shard.drop_before(horizon)
            if shard.closed is not None and shard.closed < horizon:
                del self.shards[shard.shard_id]
