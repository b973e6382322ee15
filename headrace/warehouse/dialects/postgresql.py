"""PostgreSQL 15 or newer: rows come in by COPY FROM STDIN."""

from collections.abc import Iterable

import pyarrow as pa
from psycopg import sql

from headrace.schemas.tables import Table
from headrace.schemas.targets.postgresql import create_indexes, create_table
from headrace.schemas.targets.sql import quote
from headrace.warehouse.copy_text import copy_text
from headrace.warehouse.session import Cursor

LOCK_PREPARATION = "SELECT pg_advisory_xact_lock(1751474532)"
"""One preparation at a time: two CREATE TABLE IF NOT EXISTS at once can fail in the catalogue."""


def create_missing(cursor: Cursor, table: Table) -> None:
    """Create the table and its indexes where they are missing.

    An index that is there is not asked for: even IF NOT EXISTS, CREATE INDEX waits for whoever writes the
    table, minutes when that is a load, while all wait that need what the preparation has locked before.
    """
    cursor.execute(create_table(table).encode())
    cursor.execute(
        "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND tablename = %s",
        [table.name],
    )
    there = {name for (name,) in cursor.fetchall()}
    for name, statement in create_indexes(table).items():
        if name not in there:
            cursor.execute(statement.encode())


def stage(cursor: Cursor, table: Table, name: str, rows: pa.Table) -> None:
    """Create the temporary table `name` like `table` and fill it; it is gone when the transaction ends.

    `rows` have the table's columns in its order (`staging.conform`).
    """
    stage_parts(cursor, table, name, [rows])


def stage_parts(cursor: Cursor, table: Table, name: str, parts: Iterable[pa.Table]) -> None:
    """The same with rows that come in parts, of which one is in memory at a time.

    Without fresh statistics the planner would join a large batch by nested loops.
    """
    staged, like = sql.Identifier(name), sql.Identifier(table.name)
    cursor.execute(sql.SQL("CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DROP").format(staged, like))
    with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(staged)) as copy:
        for rows in parts:
            for payload in copy_text(rows):
                copy.write(payload)
    cursor.execute(sql.SQL("ANALYZE {}").format(staged))


def unload(query: str, table: Table) -> str:
    """COPY the query's rows out as CSV: texts quoted, so that NULL, which is not, differs from ''."""
    texts = ", ".join(quote(column.name) for column in table.columns if column.type.name == "text")
    quoted = f", FORCE_QUOTE ({texts})" if texts else ""
    return f"COPY ({query}) TO STDOUT (FORMAT csv{quoted})"
