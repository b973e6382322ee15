"""The two tables in MySQL that say which partitions were loaded, and how far a load is.

A load has a number, which every row carries too, so that a partition tells by itself which load made it.
"""

from datetime import datetime
from typing import NamedTuple

from pymysql.cursors import Cursor

from batch_jobs.manifest import Output
from headrace.schemas.tables import BIGINT, INT, TIMESTAMP, Column, Table, text
from headrace.schemas.targets import mysql

LOADS = Table(
    "batch_loads",
    (
        Column("load_id", INT),
        Column("table_name", text(63)),
        Column("vintage", text(6)),
        Column("input_name", text(255)),
        Column("input_sha256", text(64)),
        Column("row_count", BIGINT),
        Column("started_at", TIMESTAMP),
        Column("loaded_at", TIMESTAMP, nullable=True, description="NULL until its rows are seen"),
    ),
    description="Loads of partitions; the latest one of a table and vintage is what is there.",
)
CHUNKS = Table(
    "batch_load_chunks",
    (
        Column("load_id", INT),
        Column("file_number", INT, description="its place in the partition's manifest"),
        Column("first_row", BIGINT),
        Column("row_count", BIGINT),
    ),
    description="The parts of an unfinished load that are in; each row was committed with its rows.",
)


class Chunk(NamedTuple):
    """Some rows of one of a partition's files, in the order of its manifest."""

    file_number: int
    first_row: int
    row_count: int


class Load(NamedTuple):
    """A load as the ledger has it."""

    load_id: int
    input_sha256: str


def prepare(cursor: Cursor) -> None:
    """Make the two tables."""
    cursor.execute(mysql.create_table(LOADS, key=("load_id",)))
    cursor.execute(mysql.create_table(CHUNKS, key=("load_id", "file_number", "first_row")))


def loaded(cursor: Cursor, table: str, vintage: str) -> Load | None:
    """The load whose rows are there."""
    return _latest(cursor, table, vintage, "loaded_at IS NOT NULL")


def unfinished(cursor: Cursor, table: str, vintage: str) -> Load | None:
    """The load that was broken off; there is one at most."""
    return _latest(cursor, table, vintage, "loaded_at IS NULL")


def begin(cursor: Cursor, output: Output, now: datetime) -> Load:
    """Write down a new load."""
    cursor.execute("SELECT COALESCE(MAX(load_id), 0) + 1 FROM batch_loads")
    (load_id,) = cursor.fetchone() or (1,)
    cursor.execute(
        "INSERT INTO batch_loads VALUES (%s, %s, %s, %s, %s, %s, %s, NULL)",
        [
            load_id,
            output.table,
            output.vintage,
            output.input_name,
            output.input_sha256,
            output.rows,
            _utc(now),
        ],
    )
    return Load(load_id, output.input_sha256)


def discard(cursor: Cursor, load: Load) -> None:
    """Forget a load that will not be finished."""
    cursor.execute("DELETE FROM batch_load_chunks WHERE load_id = %s", [load.load_id])
    cursor.execute("DELETE FROM batch_loads WHERE load_id = %s", [load.load_id])


def finish(cursor: Cursor, load: Load, now: datetime) -> None:
    """Its rows are there."""
    cursor.execute("UPDATE batch_loads SET loaded_at = %s WHERE load_id = %s", [_utc(now), load.load_id])
    cursor.execute("DELETE FROM batch_load_chunks WHERE load_id = %s", [load.load_id])


def claim(cursor: Cursor, load: Load, chunk: Chunk) -> None:
    """The first statement of a chunk's transaction: another one of the same chunk waits here, then fails."""
    cursor.execute("INSERT INTO batch_load_chunks VALUES (%s, %s, %s, %s)", [load.load_id, *chunk])


def chunks(cursor: Cursor, load: Load) -> set[Chunk]:
    """The chunks that are in."""
    cursor.execute(
        "SELECT file_number, first_row, row_count FROM batch_load_chunks WHERE load_id = %s", [load.load_id]
    )
    return {Chunk(*row) for row in cursor.fetchall()}


def _latest(cursor: Cursor, table: str, vintage: str, condition: str) -> Load | None:
    cursor.execute(
        "SELECT load_id, input_sha256 FROM batch_loads "  # noqa: S608  a literal of this module
        f"WHERE table_name = %s AND vintage = %s AND {condition} ORDER BY load_id DESC LIMIT 1",
        [table, vintage],
    )
    row = cursor.fetchone()
    return None if row is None else Load(*row)


def _utc(now: datetime) -> str:
    """As DATETIME(6) takes it, in the session's UTC."""
    return now.replace(tzinfo=None).isoformat(" ", "microseconds")
