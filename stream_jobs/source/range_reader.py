"""Reads one shard's part of a batch: what is fetched where it can, from Kinesis where it must."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from headrace.errors import RecordsTrimmed, RetryError
from headrace.ops.clock import Clock
from stream_jobs.source.carried import Chunks
from stream_jobs.source.offsets import ShardRange
from stream_jobs.source.shards import REMEDY_FOR_LOSS

if TYPE_CHECKING:  # they bring botocore, which a task that finds its records fetched does without
    from stream_jobs.source.connection import StreamConnection
    from stream_jobs.source.shard_cursor import Fetched, ShardCursor

_PAUSES = (0.25, 0.5, 1.0, 2.0, 5.0)


def read_range(
    wanted: ShardRange,
    fetched: Chunks | None,
    connect: "Callable[[], StreamConnection]",
    clock: Clock,
    *,
    fail_on_data_loss: bool,
) -> Iterator[pa.Table]:
    """Exactly the wanted records, in order; columns `cache.RECORDS`. Connects when some are not fetched.

    Waits without limit while Kinesis cannot be reached. Raises RecordsTrimmed when some are gone.
    """
    position = wanted.after
    for records in fetched.read(wanted) if fetched else ():
        position = records["sequenceNumber"][-1].as_py()
        yield records
    if position == wanted.last:
        return
    rest = msgspec.structs.replace(wanted, after=position)
    cursor = connect().cursor(rest.shard, rest.after, rest.frontier, fail_on_data_loss=fail_on_data_loss)
    yield from _from_kinesis(rest, cursor, clock, fail_on_data_loss=fail_on_data_loss)


def _from_kinesis(
    wanted: ShardRange, cursor: "ShardCursor", clock: Clock, *, fail_on_data_loss: bool
) -> Iterator[pa.Table]:
    while True:
        fetched = _fetch(cursor, clock)
        records = fetched.records
        if records is not None:
            sequences = records["sequenceNumber"]
            end = pc.index(sequences, wanted.last).as_py()
            if end >= 0:
                yield records.slice(0, end + 1)
                return
            if int(sequences[-1].as_py()) < int(wanted.last):
                yield records
                continue
            before = [int(text) < int(wanted.last) for text in sequences.to_pylist()]
            records = records.filter(pa.array(before))
        elif fetched.behind_ms and not fetched.drained:
            continue
        if fail_on_data_loss:
            raise RecordsTrimmed(
                f"{wanted.shard}: record {wanted.last}, where a batch ended, is no longer in the stream, so "
                f"the batch cannot be read again whole. {REMEDY_FOR_LOSS}"
            )
        if records is not None and len(records):
            yield records
        return


def _fetch(cursor: "ShardCursor", clock: Clock) -> "Fetched":
    attempt = 0
    while True:
        try:
            return cursor.fetch()
        except RetryError:
            clock.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1
