"""An input in pieces: the part of its conversion that one task does, from its bytes to its files.

Which lines make a piece depends on the input alone, and a piece's files on nothing but its lines: a task that
runs twice, on whatever machine, writes the same bytes under the same names.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import pyarrow.fs

from batch_jobs.conversion.blocks import BLOCK, Block, blocks, lines_at
from batch_jobs.conversion.files import RejectsFile, rows_file
from batch_jobs.conversion.keys import Key, KeyOrder, Repeated, rejection
from batch_jobs.conversion.reading import TABLES, BlockReader, record_type
from batch_jobs.manifest import DataFile, Input, Split
from batch_jobs.storage import Storage
from headrace.errors import StorageUnusable
from headrace.schemas.loan_tables import LOAN_KEYS
from headrace.schemas.verdict import Rejection

PIECES = 8
"""An input becomes so many files at least, if it has as many splits: cores share them evenly."""

PIECE_BYTES = 768 << 20
"""Text of a piece, at most: about 128 MB of Parquet."""


class Piece(msgspec.Struct, frozen=True):
    """Neighbouring splits that become one file."""

    number: int
    splits: tuple[Split, ...]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the pieces of an input share; of lines with one key all are kept when not `unique`."""

    entry: Input
    storage: Storage
    folder: str
    errors: str
    unique: bool = True
    block: int = BLOCK


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a piece; when its keys do not rise, it was left there, and nothing of it counts."""

    piece: Piece
    rising: bool
    first: Key | None
    last: Key | None
    rows: DataFile | None
    rejects: DataFile | None
    rejected: dict[str, int]


def taken_at(entry: Input) -> datetime:
    """When the input was taken: the time of its rejects, whenever it is converted."""
    return datetime.fromisoformat(entry.taken_at)


def pieces(entry: Input) -> list[Piece]:
    """Splits of an input in pieces of about the same size."""
    count = min(len(entry.splits), max(PIECES, -(-entry.bytes // PIECE_BYTES)))
    cuts = [len(entry.splits) * number // count for number in range(count + 1)]
    return [Piece(number, entry.splits[cuts[number] : cuts[number + 1]]) for number in range(count)]


def convert(job: Job, piece: Piece) -> Done:
    """Judge the lines of a piece and write its files. Raises InputRefused and StorageUnusable."""
    entry, table = job.entry, TABLES[job.entry.kind]
    reader, order = BlockReader(entry), KeyOrder(LOAN_KEYS[table.name])
    name = f"part-{piece.number:05d}"
    with (
        rows_file(job.storage, f"{job.folder}/{name}.parquet", table) as rows,
        RejectsFile(job.storage, f"{job.errors}/{name}.ndjson.gz", taken_at(entry)) as rejects,
    ):
        for block in read_blocks(job, piece):
            judged = reader.read(block)
            if not job.unique:
                rows.write(judged.rows)
                rejects.write(judged.rejections)
                continue
            kept = order.follow(judged.rows)
            if not order.rising:
                break
            rows.write(kept.rows)
            repeated = duplicates(entry, block, kept.repeated)
            rejects.write(sorted([*judged.rejections, *repeated], key=lambda it: it.sequence or 0))
    return Done(
        piece=piece,
        rising=order.rising,
        first=order.first,
        last=order.last,
        rows=rows.entry,
        rejects=rejects.entry,
        rejected=rejects.codes,
    )


def duplicates(entry: Input, block: Block, repeated: list[Repeated]) -> Iterator[Rejection]:
    """The rejections of lines of a block that repeat a key."""
    lines = lines_at(block.text, [it.line - block.first_line for it in repeated])
    for it, (_, raw) in zip(repeated, lines, strict=True):
        yield rejection(it, raw, source=entry.source, record_type=record_type(entry))


def read_blocks(job: Job, piece: Piece) -> Iterator[Block]:
    """The lines of a piece. Raises InputRefused and StorageUnusable."""
    with _open(job) as file:
        for split in piece.splits:
            yield from blocks(file, split, job.block)


def _open(job: Job) -> Any:  # noqa: ANN401  a pyarrow file, which has no types
    if job.entry.held:
        return job.storage.open(job.entry.path)
    try:
        return pyarrow.fs.LocalFileSystem().open_input_file(job.entry.path)
    except OSError as error:
        raise StorageUnusable(f"{job.entry.path}: {error}; ingest it again from where it is now") from error
