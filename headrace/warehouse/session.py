"""One connection to PostgreSQL, opened on use, and the fate of everything that can go wrong on it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import LiteralString

import psycopg
from psycopg import errors

from headrace.errors import (
    HeadraceError,
    SchemaMismatch,
    SettingsError,
    WarehouseRefused,
    WarehouseUnavailable,
)

Cursor = psycopg.Cursor[tuple[object, ...]]

_RETRY_CLASSES = frozenset({"08", "40", "53", "57", "58"})
"""Connection, rollback, resources, operator's intervention, system. Source: PostgreSQL manual, appendix A."""

_RETRY_CODES = frozenset({"25006", "25P03", "25P04", "55P03"})
"""Read-only (a failover), time limits of a transaction, lock not available."""

_SETTINGS = """
SET timezone = 'UTC';
SET lock_timeout = '60s';
SET idle_in_transaction_session_timeout = '60s';
"""
"""A writer that vanished without closing its connection must not hold `writer_lock` for long."""


def fate_of(error: psycopg.Error) -> HeadraceError:
    """The error that callers see, decided by SQLSTATE and never by message text.

    A refused connection carries no SQLSTATE, whatever the reason, so a wrong password is retried too: the
    text says it, and it may be put right meanwhile.
    """
    state = error.sqlstate or ""
    text = f"{type(error).__name__} {state}: {str(error).strip()}"
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not state:
        return WarehouseUnavailable(f"no connection to the warehouse: {text}")
    if state[:2] in _RETRY_CLASSES or state in _RETRY_CODES:
        return WarehouseUnavailable(f"the warehouse could not do it now: {text}")
    if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn | errors.UndefinedObject):
        return SchemaMismatch(f"the warehouse lacks something; `headrace up` creates it: {text}")
    if isinstance(error, errors.InsufficientPrivilege):
        return SettingsError(f"HEADRACE_WAREHOUSE_URL: this user may not do it: {text}")
    return WarehouseRefused(f"the warehouse refused: {text}")


class Session:
    """A lazily opened connection in autocommit mode; after a failure the next use opens another."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None

    @contextmanager
    def cursor(self) -> Iterator[Cursor]:
        """A cursor for single statements, each its own transaction."""
        try:
            with self._connected().cursor() as cursor:
                yield cursor
        except psycopg.Error as error:
            self.close()
            raise fate_of(error) from error
        except BaseException:
            self.close()  # whatever was open on it is rolled back by the server
            raise

    @contextmanager
    def transaction(self, begin: LiteralString = "BEGIN") -> Iterator[Cursor]:
        """A cursor in a transaction: committed at the end of the block, rolled back by any exception."""
        with self.cursor() as cursor:
            cursor.execute(begin)
            yield cursor
            cursor.execute("COMMIT")

    def snapshot(self) -> AbstractContextManager[Cursor]:
        """A transaction that sees one state of all tables and changes nothing."""
        return self.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def close(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            try:
                self._connection = psycopg.connect(
                    self._url,
                    autocommit=True,
                    prepare_threshold=None,  # staging tables come and go under the same name
                    connect_timeout=10,
                    tcp_user_timeout=30_000,
                    keepalives_idle=30,
                    keepalives_interval=10,
                    keepalives_count=3,
                    application_name="headrace",
                )
            except psycopg.ProgrammingError as error:
                raise SettingsError(f"HEADRACE_WAREHOUSE_URL: {error}") from error
            self._connection.execute(_SETTINGS)
        return self._connection
