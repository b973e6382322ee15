"""PostgreSQL 15 or newer, by psycopg: one connection, and the fate of everything that can go wrong on it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol

import psycopg
import pyarrow as pa

from headrace.errors import HeadraceError, SettingsError, WarehouseUnavailable
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.tables import Table
from headrace.schemas.targets.sql import quote
from headrace.warehouse import codes
from headrace.warehouse.copy_text import copy_text
from headrace.warehouse.engines import postgresql_setup
from headrace.warehouse.session import Row

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
    return codes.fate_of(state, text, maker="headrace up")


class Unloading(Protocol):
    """What COPY TO STDOUT gives: its text, row by row."""

    def __iter__(self) -> Iterator[bytes | bytearray | memoryview]:
        """Every message of COPY is one whole row."""
        ...


class PostgresqlCursor:
    """See `Cursor`; beside it `unload`, which only PostgreSQL has."""

    def __init__(self, cursor: psycopg.Cursor[Row]) -> None:
        self._cursor = cursor
        self.fetchone, self.fetchall = cursor.fetchone, cursor.fetchall

    @property
    def columns(self) -> list[str]:
        """The names of the last statement's columns."""
        return [column.name for column in self._cursor.description or ()]

    @property
    def row_count(self) -> int:
        """How many rows the last statement gave or changed."""
        return self._cursor.rowcount

    def execute(self, text: str, parameters: Sequence[object] = ()) -> object:
        """Run one statement."""
        return self._cursor.execute(text.encode(), parameters or None)

    def __iter__(self) -> Iterator[Row]:
        """The rest of the rows."""
        return iter(self._cursor)

    def stage(self, table: Table, name: str, parts: Iterable[pa.Table]) -> None:
        """By COPY FROM STDIN; the temporary table is gone when the transaction ends.

        Without fresh statistics the planner would join a large batch by nested loops.
        """
        self.execute(f"CREATE TEMP TABLE {quote(name)} (LIKE {quote(table.name)}) ON COMMIT DROP")
        with self._cursor.copy(f"COPY {quote(name)} FROM STDIN".encode()) as copy:
            for rows in parts:
                for payload in copy_text(rows):
                    copy.write(payload)
        self.execute(f"ANALYZE {quote(name)}")

    def unload(self, query: str, table: Table) -> AbstractContextManager[Unloading]:
        """COPY the query's rows out as CSV: texts quoted, so that NULL, which is not, differs from ''."""
        texts = ", ".join(quote(column.name) for column in table.columns if column.type.name == "text")
        quoted = f", FORCE_QUOTE ({texts})" if texts else ""
        return self._cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv{quoted})".encode())


class PostgresqlSession:
    """See `Session`: a connection in autocommit mode."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Row] | None = None

    @contextmanager
    def cursor(self) -> Iterator[PostgresqlCursor]:
        """A cursor for single statements, each its own transaction."""
        try:
            with self._connected().cursor() as cursor:
                yield PostgresqlCursor(cursor)
        except psycopg.Error as error:
            self.close()
            raise fate_of(error) from error
        except BaseException:
            self.close()  # whatever was open on it is rolled back by the server
            raise

    def transaction(self) -> AbstractContextManager[PostgresqlCursor]:
        """A cursor in a transaction: committed at the end of the block, rolled back by any exception."""
        return self._transaction("BEGIN")

    def snapshot(self) -> AbstractContextManager[PostgresqlCursor]:
        """A transaction that sees one state of all tables and changes nothing."""
        return self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def prepare(self, outputs: Sequence[WindowedOutput]) -> None:
        """Create what is missing: tables, views, the analysts' role."""
        with self.transaction() as cursor:
            postgresql_setup.create_missing(cursor, outputs)

    def close(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[PostgresqlCursor]:
        with self.cursor() as cursor:
            cursor.execute(begin)
            yield cursor
            cursor.execute("COMMIT")

    def _connected(self) -> psycopg.Connection[Row]:
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
