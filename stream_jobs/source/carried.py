"""Records that a task carries with it, where it cannot see the cache of the reader that fetched them.

On a cluster tasks run on other machines than the reader: without this each would ask Kinesis again, and a
shard serves no more than 2 MB and five calls a second to all its readers together.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, Self

import pyarrow as pa

from stream_jobs.source.offsets import ShardRange

_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


class Chunks(Protocol):
    """Where records lie that are fetched already."""

    def read(self, wanted: ShardRange) -> Iterator[pa.Table]:
        """The wanted records as far as they are here without a gap, from the front."""
        ...


class Carried:
    """The records of some ranges, one for a shard, as far as they were fetched when the batch was made."""

    def __init__(self, streams: dict[str, bytes]) -> None:
        """`streams`: by shard, the records as an Arrow stream."""
        self._streams = streams

    @classmethod
    def of(cls, chunks: Chunks, ranges: Sequence[ShardRange]) -> Self:
        """Take them from where they lie."""
        found = {wanted.shard: list(chunks.read(wanted)) for wanted in ranges}
        return cls({shard: _written(tables) for shard, tables in found.items() if tables})

    def read(self, wanted: ShardRange) -> Iterator[pa.Table]:
        """The wanted records, as far as they are carried."""
        if wanted.shard in self._streams:
            yield pa.ipc.open_stream(self._streams[wanted.shard]).read_all()


def _written(tables: Sequence[pa.Table]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, tables[0].schema, options=_COMPRESSED) as writer:
        for table in tables:
            writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written
