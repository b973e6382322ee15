"""A partition's files in chunks: the same ones in every run, so that a broken-off load goes on."""

from collections.abc import Collection, Iterator

import pyarrow as pa

from batch_jobs.load_mysql.ledger import Chunk
from batch_jobs.load_warehouse import data_files
from batch_jobs.manifest import Output
from batch_jobs.storage import Storage
from headrace.schemas.tables import Table

ROWS = 50_000


def plan(output: Output) -> list[Chunk]:
    """All chunks of the partition, in order."""
    return [
        Chunk(number, first, min(ROWS, file.rows - first))
        for number, file in enumerate(output.files)
        for first in range(0, file.rows, ROWS)
    ]


def read(
    storage: Storage, table: Table, output: Output, wanted: Collection[Chunk]
) -> Iterator[tuple[Chunk, pa.Table]]:
    """The wanted chunks with their rows, in order and in bounded memory.

    Raises LoadMismatch or StorageUnusable.
    """
    for number, file in enumerate(output.files):
        if not any(chunk.file_number == number for chunk in wanted):
            continue
        first = 0
        for rows in _pieces(data_files.parts(storage, table, file.path)):
            chunk = Chunk(number, first, rows.num_rows)
            if chunk in wanted:
                yield chunk, rows
            first += rows.num_rows


def _pieces(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, `ROWS` at a time."""
    held: list[pa.Table] = []
    for part in parts:
        held.append(part)
        while sum(piece.num_rows for piece in held) >= ROWS:
            joined = pa.concat_tables(held)
            yield joined.slice(0, ROWS)
            held = [joined.slice(ROWS)]
    rest = pa.concat_tables(held) if held else None
    if rest is not None and rest.num_rows:
        yield rest
