"""Chunks of a shard on local disk, between the reader that fetched them and the tasks that want them.

The cache belongs to one life of one reader and is thrown away with it. Kinesis is the truth: whatever is not
here, or no longer, is read from there again, with the same rows.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

from stream_jobs.source.offsets import ShardRange, is_sequence

RECORDS = pa.schema(
    [
        pa.field("data", pa.binary(), nullable=False),
        pa.field("partitionKey", pa.string(), nullable=False),
        pa.field("sequenceNumber", pa.string(), nullable=False),
        pa.field("approximateArrivalTimestamp", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
"""A chunk's columns: Kinesis records of one shard as they came, in their order."""

_SUFFIX = ".arrow"


class _Chunk(NamedTuple):
    path: Path
    after: str
    last: str


class ChunkCache:
    """Chunks by shard; each holds every record after one position up to and including another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def begin(cls, parent: Path) -> Self:
        """An empty cache in a new folder below `parent`; what earlier lives left there is removed."""
        parent.mkdir(parents=True, exist_ok=True)
        for old in parent.iterdir():
            shutil.rmtree(old, ignore_errors=True)
        return cls(Path(tempfile.mkdtemp(dir=parent)))

    def put(self, shard: str, after: str, records: pa.Table) -> None:
        """Keep the records that follow `after`, at least one; they must leave no gap."""
        last = records["sequenceNumber"][-1].as_py()
        folder = self.folder / shard
        folder.mkdir(exist_ok=True)
        path = folder / f"{after}~{last}{_SUFFIX}"
        part = path.with_suffix(".part")
        with pa.OSFile(str(part), "wb") as file, pa.ipc.new_file(file, RECORDS) as writer:
            writer.write_table(records)
        part.replace(path)

    def read(self, wanted: ShardRange) -> Iterator[pa.Table]:
        """The wanted records as far as they are here without a gap, from the front."""
        position = wanted.after
        while position != wanted.last:
            found = self._following(wanted.shard, position)
            if found is None:
                return
            end = pc.index(found["sequenceNumber"], wanted.last).as_py()
            records = found.slice(0, end + 1) if end >= 0 else found
            yield records
            position = records["sequenceNumber"][-1].as_py()

    def drop(self, shard: str, position: str) -> None:
        """Remove the chunks that end at or before `position`."""
        if is_sequence(position):
            for chunk in self._chunks(shard):
                if int(chunk.last) <= int(position):
                    chunk.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _following(self, shard: str, position: str) -> pa.Table | None:
        """What one chunk holds after `position`, None when no chunk goes on from there."""
        for chunk in self._chunks(shard):
            if chunk.after == position:
                return _load(chunk.path)
            if is_sequence(position) and int(position) < int(chunk.last):
                records = _load(chunk.path)
                at = -1 if records is None else pc.index(records["sequenceNumber"], position).as_py()
                if records is not None and at >= 0:
                    return records.slice(at + 1)
        return None

    def _chunks(self, shard: str) -> list[_Chunk]:
        """In the order of their last records."""
        paths = (self.folder / shard).glob(f"*{_SUFFIX}")
        chunks = [_Chunk(path, *path.stem.split("~", 1)) for path in paths]
        return sorted(chunks, key=lambda chunk: int(chunk.last))


def _load(path: Path) -> pa.Table | None:
    """A chunk without copying it; None when it is gone or unreadable: then Kinesis is asked."""
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowInvalid):
        return None
