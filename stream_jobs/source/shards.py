"""Which shards belong to a batch: parents before children, late-found children from their beginning."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from headrace.errors import RecordsTrimmed, StreamRecreated
from stream_jobs.source.offsets import TRIM_HORIZON, ShardOffset, StreamOffset, at_timestamp


class ListedShard(NamedTuple):
    """A shard as ListShards names it; `parents` may name shards that have expired."""

    shard: str
    parents: tuple[str, ...]
    closed: bool


class Stream(NamedTuple):
    """A stream as the service describes it; `created` in milliseconds since 1970."""

    name: str
    created: int
    shards: Sequence[ListedShard]


def check_identity(offset: StreamOffset, name: str, created: int) -> None:
    """Raises StreamRecreated when the offset names another stream, of this name or not."""
    if offset.stream != name:
        raise StreamRecreated(
            f"the checkpoint belongs to stream {offset.stream!r}, not to {name!r}: "
            "give each stream a checkpoint of its own"
        )
    if offset.created and offset.created != created:
        raise StreamRecreated(
            f"stream {name!r} was deleted and made anew since the offsets were written (created "
            f"{created} ms, the offsets say {offset.created} ms): their positions mean nothing in it. "
            "Start with a new checkpoint directory (HEADRACE_CHECKPOINT): the new stream is then read from "
            "its beginning, and `headrace reconcile` names what the old one took with it"
        )


def from_latest(stream: Stream, now_ms: int) -> StreamOffset:
    """Begin with what arrives from now on (the service's clock): closed shards count as taken."""
    shards = {
        listed.shard: ShardOffset(
            origin=at_timestamp(now_ms),
            position=at_timestamp(now_ms),
            frontier=now_ms * 1000,
            closed=listed.closed,
            parents=listed.parents,
        )
        for listed in stream.shards
    }
    return StreamOffset(stream=stream.name, created=stream.created, shards=shards)


def adopt(offset: StreamOffset, stream: Stream) -> StreamOffset:
    """The offset with every shard added that may be read by now, from its beginning.

    A shard may be read once its parents are closed, or gone from the stream. It starts at TRIM_HORIZON
    whatever the start option was: what it holds arrived after its parents were closed, thus after the start.
    """
    shards = dict(offset.shards)
    listed = {shard.shard for shard in stream.shards}
    for shard in _oldest_first(stream.shards):
        if shard.shard in shards:
            continue
        parents = [shards.get(parent) for parent in shard.parents if parent in shards or parent in listed]
        if all(parent is not None and parent.closed for parent in parents):
            frontier = min((parent.frontier for parent in parents if parent), default=0)
            shards[shard.shard] = ShardOffset(
                origin=TRIM_HORIZON, position=TRIM_HORIZON, frontier=frontier, parents=shard.parents
            )
    return msgspec.structs.replace(offset, created=stream.created, shards=shards)


def forget_expired(offset: StreamOffset, stream: Stream, *, fail_on_data_loss: bool) -> StreamOffset:
    """The offset without the shards that the stream no longer has.

    Raises RecordsTrimmed when one of them had not been taken to its end.
    """
    listed = {shard.shard for shard in stream.shards}
    kept = {name: shard for name, shard in offset.shards.items() if name in listed}
    open_ones = [name for name in offset.shards if name not in kept and not offset.shards[name].closed]
    if open_ones and fail_on_data_loss:
        raise RecordsTrimmed(
            f"stream {stream.name!r} no longer has shard {', '.join(sorted(open_ones))}, which had not been "
            f"read to its end: records are lost. {REMEDY_FOR_LOSS}"
        )
    return msgspec.structs.replace(offset, shards=kept)


def active(shards: Mapping[str, ShardOffset]) -> list[str]:
    """The shards that still have records to take, sorted."""
    return sorted(name for name, shard in shards.items() if not shard.closed)


REMEDY_FOR_LOSS = (
    "`headrace reconcile` names them as missing, and `--write-off` books them; "
    "to go on after the gap, start once with HEADRACE_FAIL_ON_DATA_LOSS=false"
)


def _oldest_first(shards: Iterable[ListedShard]) -> list[ListedShard]:
    """By name: Kinesis numbers shards in the order of their making, so parents come before children."""
    return sorted(shards, key=lambda shard: shard.shard)
