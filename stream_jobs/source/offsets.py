"""What Spark's offset log says of a stream: which stream, and how far each shard has been taken.

Spark compares offsets as JSON text, so the text is canonical: fixed key order, shards sorted.

A shard's `origin` is where its reading began. It travels in every offset because Spark does not store where
batch 0 starts: the start of a shard that the batch's start offset does not name is the origin in its end
offset, so a replay reads the same records whatever the options say by then.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from headrace.errors import SettingsError
from headrace.schemas.streams import QUERY_VERSION

if TYPE_CHECKING:  # the client brings botocore, which the tasks that fold can do without
    from headrace.kinesis.port import StartAt

TRIM_HORIZON = "TRIM_HORIZON"
_AT_TIMESTAMP = "AT_TIMESTAMP:"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class IteratorRequest(NamedTuple):
    """The arguments of GetShardIterator."""

    start: "StartAt"
    sequence_number: str | None
    timestamp: datetime | None


class ShardOffset(msgspec.Struct, frozen=True, kw_only=True):
    """How far one shard has been taken.

    Attributes:
        origin: where its reading began (TRIM_HORIZON, AT_TIMESTAMP:<ms>, or a sequence number, exclusive).
        position: the last sequence number taken; the origin while nothing has been taken.
        frontier: every record that arrived before it has been taken; microseconds since 1970, 0 if unknown.
        closed: the shard was split or merged away, and its last record has been taken.
        parents: the shards that it came from.
    """

    origin: str
    position: str
    frontier: int = 0
    closed: bool = False
    parents: tuple[str, ...] = ()


class StreamOffset(msgspec.Struct, frozen=True, kw_only=True):
    """How far a stream has been taken.

    `created` (milliseconds since 1970) tells a stream from a later one of the same name; 0 before the stream
    has been seen.
    """

    stream: str
    created: int = 0
    shards: Mapping[str, ShardOffset] = msgspec.field(default_factory=dict)
    version: int = QUERY_VERSION

    @classmethod
    def from_json(cls, offset: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises SettingsError when it is no offset of this source."""
        try:
            read = msgspec.convert(offset, cls)
        except msgspec.ValidationError as error:
            raise SettingsError(f"not an offset of this source: {error}") from error
        if read.version != QUERY_VERSION:
            raise SettingsError(
                f"offset version {read.version} was written by another release, not {QUERY_VERSION}"
            )
        return read

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values in canonical order: equal offsets give equal text."""
        return {
            "version": self.version,
            "stream": self.stream,
            "created": self.created,
            "shards": {shard: _shard_json(self.shards[shard]) for shard in sorted(self.shards)},
        }


class ShardRange(msgspec.Struct, frozen=True, kw_only=True):
    """One shard's part of a batch: the records after `after` up to and including `last`.

    `after` is an origin or a sequence number; with `after == last` the part is empty. `frontier` is the
    shard's at `after` (microseconds since 1970).
    """

    shard: str
    after: str
    last: str
    frontier: int = 0


def initial_offset(stream: str) -> StreamOffset:
    """The start of a new query: a constant, so that a restart in batch 0 changes nothing."""
    return StreamOffset(stream=stream)


def begin_after(offset: StreamOffset) -> StreamOffset:
    """The same positions as the origins of a new query."""
    shards = {
        name: msgspec.structs.replace(shard, origin=shard.position) for name, shard in offset.shards.items()
    }
    return msgspec.structs.replace(offset, shards=shards)


def range_of(shard: str, start: StreamOffset, end: StreamOffset) -> ShardRange:
    """The part of `shard` that lies between two offsets."""
    target = end.shards[shard]
    before = start.shards.get(shard)
    return ShardRange(
        shard=shard,
        after=before.position if before else target.origin,
        last=target.position,
        frontier=before.frontier if before else 0,
    )


def at_timestamp(milliseconds: int) -> str:
    """The position of the first record that arrived at or after an instant (milliseconds since 1970)."""
    return f"{_AT_TIMESTAMP}{milliseconds}"


def is_sequence(position: str) -> bool:
    """Whether a position is a record's sequence number, not a place to begin."""
    return position.isascii() and position.isdigit()


def iterator_request(position: str) -> IteratorRequest:
    """Where a shard iterator must start to give what follows `position`."""
    if is_sequence(position):
        return IteratorRequest("AFTER_SEQUENCE_NUMBER", position, None)
    if position.startswith(_AT_TIMESTAMP):
        milliseconds = int(position.removeprefix(_AT_TIMESTAMP))
        return IteratorRequest("AT_TIMESTAMP", None, _EPOCH + timedelta(milliseconds=milliseconds))
    return IteratorRequest("TRIM_HORIZON", None, None)


def _shard_json(shard: ShardOffset) -> dict[str, Any]:
    return {
        "origin": shard.origin,
        "position": shard.position,
        "frontier": shard.frontier,
        "closed": shard.closed,
        "parents": list(shard.parents),
    }
