"""PostgreSQL as an analyst sees it: read-only, and in the analysts' role where the warehouse has it."""

import psycopg
from psycopg import errors

from headrace.errors import HeadraceError, WarehouseRefused, WarehouseUnavailable
from headrace.schemas.targets.sql import quote
from headrace.warehouse.preparation import ANALYST
from headrace.warehouse.reader import Rows, Statement

_SYNTAX_OR_ACCESS = "42"
"""The class of SQLSTATEs of a statement that is wrong, or asks for what its user may not see."""

Connection = psycopg.Connection[tuple[object, ...]]


class PostgresqlAnalyst:
    """See `Reader`. Each call has a connection of its own; what is wrong in a statement is refused."""

    def __init__(self, url: str) -> None:
        self._url = url

    def read(self, *statements: Statement) -> list[Rows]:
        """See `Reader`."""
        try:
            with psycopg.connect(self._url, connect_timeout=10) as connection:
                _enter(connection)
                return [_rows(connection, statement) for statement in statements]
        except psycopg.Error as error:
            raise _fate_of(error) from error

    def close(self) -> None:
        """There is nothing to close."""


def _enter(connection: Connection) -> None:
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.execute("SET LOCAL timezone = 'UTC'")
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ANALYST]).fetchone():
        connection.execute(f"SET LOCAL ROLE {quote(ANALYST)}".encode())


def _rows(connection: Connection, statement: Statement) -> Rows:
    """A prepared statement cannot hold a second one, which could leave the read-only transaction."""
    text, parameters = statement
    cursor = connection.execute(text.encode(), parameters or None, prepare=True)
    if cursor.description is None:
        return Rows([], [])
    return Rows([column.name for column in cursor.description], cursor.fetchall())


def _fate_of(error: psycopg.Error) -> HeadraceError:
    state = error.sqlstate or ""
    if state.startswith(_SYNTAX_OR_ACCESS) or isinstance(error, errors.ReadOnlySqlTransaction):
        return WarehouseRefused(str(error).strip())
    if not state and isinstance(error, psycopg.OperationalError):
        return WarehouseUnavailable(f"the warehouse does not answer: {str(error).strip()}")
    from headrace.warehouse.engines.postgresql import fate_of  # noqa: PLC0415  slow to import

    return fate_of(error)
