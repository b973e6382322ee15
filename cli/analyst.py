"""A read-only connection to the warehouse, as an analyst has it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
import psycopg
from psycopg import sql

from headrace.errors import WarehouseUnavailable

ROLE = "headrace_analyst"
_ROWS_AT_ONCE = 2000


@contextmanager
def connect(url: str) -> Iterator[psycopg.Connection]:
    """A connection in one read-only transaction, in the analysts' role where the warehouse has it.

    Raises WarehouseUnavailable when there is no answer.
    """
    try:
        connection = psycopg.connect(url, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise WarehouseUnavailable(f"the warehouse does not answer: {str(error).strip()}") from error
    with connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone():
            connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(ROLE)))
        yield connection


@contextmanager
def ask(
    connection: psycopg.Connection, statement: str
) -> Iterator[tuple[list[str], Iterator[Sequence[object]]]]:
    """Run one statement: the names of its columns, and its rows as they arrive.

    Raises click.UsageError with PostgreSQL's own words and the place, when the statement is wrong.
    """
    # A prepared statement cannot hold a second one.
    cursor = connection.cursor()
    try:
        cursor.execute(statement.encode(), prepare=True)
    except psycopg.Error as error:
        raise click.UsageError(f"the warehouse refuses the statement: {error}".rstrip()) from error
    with cursor:
        columns = [column.name for column in cursor.description or ()]
        yield columns, _rows(cursor) if columns else iter(())


def _rows(cursor: psycopg.Cursor) -> Iterator[Sequence[object]]:
    while batch := cursor.fetchmany(_ROWS_AT_ONCE):
        yield from batch
