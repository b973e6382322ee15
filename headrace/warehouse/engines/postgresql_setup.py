"""PostgreSQL: everything that must exist is made by whoever writes first."""

import hashlib
from collections.abc import Collection, Sequence

from headrace.ops.logs import get_logger
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.tables import Table
from headrace.schemas.targets.postgresql import create_indexes, create_table
from headrace.schemas.targets.sql import quote
from headrace.warehouse.preparation import ANALYST, FIRST_VERSION, check, tables
from headrace.warehouse.session import Cursor
from headrace.warehouse.views import readable_by_analysts, views

LOCK_PREPARATION = "SELECT pg_advisory_xact_lock(1751474532)"
"""One preparation at a time: two CREATE TABLE IF NOT EXISTS at once can fail in the catalogue."""


def create_missing(cursor: Cursor, outputs: Sequence[WindowedOutput]) -> None:
    """Create what is missing, inside the caller's transaction. Raises `SchemaMismatch`."""
    cursor.execute(LOCK_PREPARATION)
    cursor.execute("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")
    indexes = {str(name) for (name,) in cursor.fetchall()}
    for table in tables(outputs):
        _create_table(cursor, table, indexes)
    check(cursor, outputs, "it was removed a moment ago: start again")
    cursor.execute(FIRST_VERSION)
    for name, text in views(outputs).items():
        _create_view(cursor, name, text)
    if _make_role(cursor):
        _grant(cursor, readable_by_analysts(outputs))


def _create_table(cursor: Cursor, table: Table, there: Collection[str]) -> None:
    """Create the table and its indexes where they are missing; `there` are the schema's indexes.

    An index that is there is not asked for: even IF NOT EXISTS, CREATE INDEX waits for whoever writes the
    table, minutes when that is a load, while all wait that need what the preparation has locked before.
    """
    cursor.execute(create_table(table))
    for name, statement in create_indexes(table).items():
        if name not in there:
            cursor.execute(statement)


def _create_view(cursor: Cursor, name: str, text: str) -> None:
    """Create or replace a view whose text is new: replacing one would wait for every query that reads it."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    cursor.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [name])
    if cursor.fetchone() != (digest,):
        cursor.execute(text)
        cursor.execute(f"COMMENT ON VIEW {quote(name)} IS '{digest}'")


def _make_role(cursor: Cursor) -> bool:
    """Create the analysts' role if it is missing; False, and a warning, when this user may not."""
    cursor.execute(
        "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = %s), rolsuper OR rolcreaterole "
        "FROM pg_roles WHERE rolname = current_user",
        [ANALYST],
    )
    exists, permitted = cursor.fetchone() or (False, False)
    if exists:
        return True
    if not permitted:
        get_logger().warning(
            "no_analyst_role",
            meaning=f"this user may not create roles: create {ANALYST} NOLOGIN as an administrator",
        )
        return False
    cursor.execute(  # the same moment may bring it from another database of this server
        f"DO $$ BEGIN CREATE ROLE {quote(ANALYST)} NOLOGIN; "
        "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
    return True


def _grant(cursor: Cursor, names: Sequence[str]) -> None:
    cursor.execute("SELECT current_schema()")
    (schema,) = cursor.fetchone() or ("public",)
    cursor.execute(f"GRANT USAGE ON SCHEMA {quote(str(schema))} TO {quote(ANALYST)}")
    cursor.execute(f"GRANT SELECT ON {', '.join(map(quote, names))} TO {quote(ANALYST)}")
