"""One connection to MySQL whose mode is what the loader counts on, however loose the server is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pymysql
from pymysql.connections import Connection, MySQLResult
from pymysql.cursors import Cursor

from batch_jobs.load_mysql.address import Address
from batch_jobs.load_mysql.fates import fate_of
from headrace.errors import DatabaseRefused

_SET = (
    "SET SESSION sql_mode = 'TRADITIONAL'",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET SESSION time_zone = '+00:00'",
    "SET SESSION wait_timeout = 28800, innodb_lock_wait_timeout = 50, lock_wait_timeout = 60, sql_notes = 1",
)
_READ = (
    "SELECT @@SESSION.sql_mode, @@character_set_client, @@character_set_connection, @@collation_connection,"
    " @@SESSION.time_zone, @@SESSION.sql_notes"
)
_STRICT = frozenset(
    {
        "STRICT_TRANS_TABLES",
        "STRICT_ALL_TABLES",
        "NO_ZERO_IN_DATE",
        "NO_ZERO_DATE",
        "ERROR_FOR_DIVISION_BY_ZERO",
        "NO_ENGINE_SUBSTITUTION",
    }
)
_MAY_BE_TOO = frozenset({"TRADITIONAL", "NO_AUTO_CREATE_USER"})
_EXPECTED = ("utf8mb4", "utf8mb4", "utf8mb4_bin", "+00:00", 1)
_PACKET_BYTES = 256 * 1024


class Session:
    """A lazily opened connection in autocommit mode; after a failure the next use opens another."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connection: _Connection | None = None

    @contextmanager
    def cursor(self) -> Iterator[Cursor]:
        """A cursor for single statements, each its own transaction.

        Raises DatabaseUnavailable or DatabaseRefused, which are never told by the text of an error.
        """
        try:
            with self._connected().cursor() as cursor:
                yield cursor
        except pymysql.Error as error:
            self.close()
            raise fate_of(error) from error
        except OSError as error:
            self.close()
            raise fate_of(pymysql.OperationalError(2013, str(error))) from error
        except BaseException:
            self.close()  # whatever was open on it is rolled back by the server
            raise

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """A cursor in a transaction: committed at the end of the block, rolled back by any exception."""
        with self.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            yield cursor
            cursor.execute("COMMIT")

    def close(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(pymysql.Error, OSError):
                connection.close()

    def _connected(self) -> "_Connection":
        if self._connection is None or not self._connection.open:
            connection = _Connection(
                **self._address.arguments(),
                autocommit=True,
                local_infile=True,
                charset="utf8mb4",
                connect_timeout=10,
                read_timeout=3600,
                program_name="headrace",
            )
            self._connection = connection
            _set_mode(connection)
        return self._connection


def load_local(cursor: Cursor, statement: str, data: bytes | memoryview) -> int:
    """Run a LOAD DATA LOCAL whose file is `data`; the rows that it took."""
    connection = cursor.connection
    if not isinstance(connection, _Connection):
        raise TypeError("the cursor is not of a Session")
    connection.outgoing = memoryview(data)
    try:
        return cursor.execute(statement)
    finally:
        connection.outgoing = None


def _set_mode(connection: "_Connection") -> None:
    """Set the session and read it back: a proxy, or an old server, may have taken no notice."""
    with connection.cursor() as cursor:
        for statement in _SET:
            cursor.execute(statement)
        cursor.execute(_READ)
        row: Sequence[Any] = cursor.fetchone() or ()
    modes = frozenset(str(row[0]).split(","))
    if not modes >= _STRICT or modes - _STRICT - _MAY_BE_TOO or tuple(row[1:]) != _EXPECTED:
        raise DatabaseRefused(
            "MySQL did not take the session's settings, so nothing is loaded: wanted sql_mode TRADITIONAL, "
            f"{_EXPECTED}, found {tuple(row)}"
        )


class _Connection(Connection):
    """Answers a LOAD DATA LOCAL with bytes of ours, and never with a file that the server asks for."""

    outgoing: memoryview | None = None

    def _read_query_result(self, unbuffered: bool = False) -> int:  # noqa: FBT001, FBT002  as the driver has it
        self._result = None
        result = _Result(self)
        if unbuffered:
            result.init_unbuffered_query()
        else:
            result.read()
        self._result = result
        if result.server_status is not None:
            self.server_status = result.server_status
        return int(result.affected_rows or 0)


class _Result(MySQLResult):
    def _read_load_local_packet(self: Any, _first_packet: object) -> None:
        """The driver's own way, save for the file."""
        connection, data = self.connection, self.connection.outgoing
        for start in range(0, len(data or b""), _PACKET_BYTES):
            connection.write_packet(data[start : start + _PACKET_BYTES])
        connection.write_packet(b"")
        answer = connection._read_packet()  # noqa: SLF001  there is no public call
        if data is None:
            raise DatabaseRefused("the server asked for a file that no LOAD DATA named")
        self._read_ok_packet(answer)
