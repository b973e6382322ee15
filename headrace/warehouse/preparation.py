"""Everything that must exist before the first batch: tables, views, the analysts' role."""

import hashlib
from collections.abc import Sequence

from psycopg import errors, sql

from headrace.errors import SchemaMismatch
from headrace.ops.logs import get_logger
from headrace.schemas.loan_tables import LOAN_TABLES
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.tables import Table
from headrace.warehouse.dialects import postgresql as dialect
from headrace.warehouse.session import Cursor
from headrace.warehouse.system_tables import SYSTEM_TABLES
from headrace.warehouse.views import readable_by_analysts, views

ANALYST = "headrace_analyst"


def prepare(cursor: Cursor, outputs: Sequence[WindowedOutput]) -> None:
    """Create what is missing, inside the caller's transaction. Raises `SchemaMismatch`."""
    cursor.execute(dialect.LOCK_PREPARATION)
    for table in tables(outputs):
        dialect.create_missing(cursor, table)
        _check_columns(cursor, table)
    cursor.execute(
        "INSERT INTO ledger_version (version) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM ledger_version)"
    )
    for name, text in views(outputs).items():
        _create_view(cursor, name, text)
    if _make_role(cursor):
        _grant(cursor, readable_by_analysts(outputs))


def tables(outputs: Sequence[WindowedOutput]) -> list[Table]:
    """Every table of the warehouse."""
    parts = (output.parts_table() for output in outputs)
    windows = [output.table() for output in outputs]
    return [*SYSTEM_TABLES, *LOAN_TABLES.values(), *windows, *(p for p in parts if p is not None)]


def _check_columns(cursor: Cursor, table: Table) -> None:
    """Staging is by position, so a table with other columns must not be written to."""
    cursor.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_name = %s ORDER BY ordinal_position",
        [table.name],
    )
    found = [name for (name,) in cursor.fetchall()]
    expected = [column.name for column in table.columns]
    if found != expected:
        raise SchemaMismatch(
            f"table {table.name} has the columns {found}, this version declares {expected}: "
            "migrate it, or give the changed output a new name"
        )


def _create_view(cursor: Cursor, name: str, text: str) -> None:
    """Create or replace a view whose text is new: replacing one would wait for every query that reads it."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    cursor.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [name])
    if cursor.fetchone() != (digest,):
        cursor.execute(text.encode())
        cursor.execute(sql.SQL("COMMENT ON VIEW {} IS {}").format(sql.Identifier(name), sql.Literal(digest)))


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
    cursor.execute("SAVEPOINT role")
    try:
        cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(ANALYST)))
    except (errors.DuplicateObject, errors.UniqueViolation):  # from another database of this server
        cursor.execute("ROLLBACK TO SAVEPOINT role")
    return True


def _grant(cursor: Cursor, names: Sequence[str]) -> None:
    role = sql.Identifier(ANALYST)
    cursor.execute("SELECT current_schema()")
    (schema,) = cursor.fetchone() or ("public",)
    cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(str(schema)), role))
    readable = sql.SQL(", ").join(sql.Identifier(name) for name in names)
    cursor.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(readable, role))
