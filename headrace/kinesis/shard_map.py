"""Which shard a record goes to: the hash-key ranges of a stream's open shards."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import md5

from headrace.kinesis.aggregation import UserRecord

MAX_HASH_KEY = (1 << 128) - 1


def hash_key(partition_key: str) -> int:
    """The hash key that Kinesis gives a partition key: the MD5 of its UTF-8 bytes, big-endian."""
    return int.from_bytes(_digest(partition_key))


def _digest(partition_key: str) -> bytes:
    return md5(partition_key.encode(), usedforsecurity=False).digest()


def hash_key_of(record: UserRecord) -> int:
    """The record's place in the hash-key space: its explicit hash key, else that of its partition key."""
    explicit = record.explicit_hash_key
    return hash_key(record.partition_key) if explicit is None else int(explicit)


@dataclass(frozen=True, slots=True)
class Shard:
    """One open shard and the hash keys it takes, `first` and `last` included."""

    shard_id: str
    first: int
    last: int

    def takes(self, key: int) -> bool:
        """Whether a record with this hash key belongs here."""
        return self.first <= key <= self.last


class ShardMap:
    """The open shards at one instant. Shards split and merge: check what PutRecords answers against it."""

    def __init__(self, shards: Iterable[Shard]) -> None:
        """Take the open shards, in any order. Raises ValueError unless they cover each hash key once."""
        self.shards = tuple(sorted(shards, key=lambda shard: shard.first))
        self._by_id = {shard.shard_id: shard for shard in self.shards}
        expected = 0
        for shard in self.shards:
            if shard.first != expected or shard.last < shard.first:
                raise ValueError(f"hash keys {expected} to {shard.first} are in no shard or in two")
            expected = shard.last + 1
        if expected != MAX_HASH_KEY + 1:
            raise ValueError(f"hash keys from {expected} on are in no shard")
        self._lasts = [shard.last.to_bytes(16) for shard in self.shards]  # as digests, in the same order

    def shard_of(self, key: int) -> Shard:
        """The shard that takes this hash key (0 … 2^128-1)."""
        return self.shards[bisect_left(self._lasts, key.to_bytes(16))]

    def shard_of_key(self, partition_key: str) -> Shard:
        """The shard that takes records with this partition key."""
        return self.shards[bisect_left(self._lasts, _digest(partition_key))]

    def find(self, shard_id: str) -> Shard | None:
        """The open shard of this name, None when the map does not know it."""
        return self._by_id.get(shard_id)
