"""Amazon Redshift Serverless, by redshift_connector: one connection, logged in by IAM."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from typing import Any

import boto3
import pyarrow as pa
import redshift_connector
from botocore.config import Config

from headrace.errors import WarehouseUnavailable
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.tables import Table
from headrace.warehouse import preparation
from headrace.warehouse.aws_faults import asked
from headrace.warehouse.engines.redshift_address import Address
from headrace.warehouse.engines.redshift_faults import faults
from headrace.warehouse.engines.redshift_staging import Staging
from headrace.warehouse.session import Row

_AWS: dict[str, Any] = {
    "connect_timeout": 10,
    "read_timeout": 60,
    "retries": {"total_max_attempts": 5, "mode": "standard"},
}
_VARBYTE = 6551
_TEXT_FORMAT = 0
_STATEMENT_SECONDS = 600
_SILENCE_SECONDS = 660
_SETTINGS = ("SET timezone TO 'UTC'", f"SET statement_timeout TO {_STATEMENT_SECONDS * 1_000}")
"""Redshift has no limit of its own for the wait for a lock: the statement's ends it."""


class RedshiftCursor:
    """See `Cursor`."""

    def __init__(self, cursor: Any, staging: Staging) -> None:  # noqa: ANN401  the driver has no types
        self._cursor = cursor
        self._staging = staging

    @property
    def columns(self) -> list[str]:
        """The names of the last statement's columns."""
        return [str(column[0]) for column in self._cursor.description or ()]

    def execute(self, text: str, parameters: Sequence[object] = ()) -> object:
        """Run one statement; the driver takes in all of its rows."""
        with faults():
            return self._cursor.execute(text, list(parameters) or None)

    def fetchone(self) -> Row | None:
        """The next row."""
        row = self._cursor.fetchone()
        return None if row is None else tuple(row)

    def fetchall(self) -> list[Row]:
        """The rest of the rows."""
        return [tuple(row) for row in self._cursor.fetchall()]

    def __iter__(self) -> Iterator[Row]:
        """The rest of the rows."""
        return iter(self.fetchall())

    def stage(self, table: Table, name: str, parts: Iterable[pa.Table]) -> None:
        """By INSERT, or by COPY from the staging bucket; the table lasts as long as the connection."""
        self._staging.stage(self, table, name, parts)


class RedshiftSession:
    """See `Session`: a connection in autocommit mode, whose transactions are begun and ended here."""

    def __init__(self, login: Callable[[], dict[str, Any]], staging: Staging) -> None:
        self._login = login
        self._staging = staging
        self._connection: Any = None

    @contextmanager
    def cursor(self) -> Iterator[RedshiftCursor]:
        """A cursor for single statements, each its own transaction."""
        try:
            yield RedshiftCursor(self._connected().cursor(), self._staging)
        except BaseException:
            self.close()  # whatever was open on it is rolled back by the server
            raise
        finally:
            self._forget_texts()
            self._staging.end()

    def transaction(self) -> AbstractContextManager[RedshiftCursor]:
        """A cursor in a transaction: committed at the end of the block, rolled back by any exception."""
        return self._transaction("BEGIN")

    def snapshot(self) -> AbstractContextManager[RedshiftCursor]:
        """A transaction that sees one state of all tables and changes nothing."""
        return self._transaction("BEGIN READ ONLY")

    def prepare(self, outputs: Sequence[WindowedOutput]) -> None:
        """See that every table is there: they belong to the migration's user, and no writer makes any."""
        with self.snapshot() as cursor:
            preparation.check(cursor, outputs, "`headrace migrate` creates it")

    def close(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        self._staging.forget()
        if connection is not None:
            with suppress(WarehouseUnavailable), faults():
                connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[RedshiftCursor]:
        with self.cursor() as cursor:
            cursor.execute(begin)
            yield cursor
            cursor.execute("COMMIT")

    def _connected(self) -> Any:  # noqa: ANN401  the driver has no types
        if self._connection is None:
            login = self._login()
            with faults():
                self._connection = _open(login)
        return self._connection

    def _forget_texts(self) -> None:
        """The driver keeps every text that it has met, and an INSERT of rows has as many texts as lengths."""
        if self._connection is not None:
            self._connection._caches.clear()  # noqa: SLF001  it has no other way


def connect(url: str) -> RedshiftSession:
    """The session of a `redshift://` address; nothing is connected yet. Raises `SettingsError`."""
    address = Address.of(url)
    return RedshiftSession(lambda: login(address), Staging(address, cache(lambda: client("s3", address))))


def login(address: Address) -> dict[str, Any]:
    """What the driver needs to log in: who the AWS credentials stand for is the database's user.

    Raises `WarehouseUnavailable` and `SettingsError`.
    """
    granted = asked(
        lambda: client("redshift-serverless", address).get_credentials(
            workgroupName=address.workgroup, dbName=address.database
        ),
        f"credentials for the workgroup {address.workgroup}",
    )
    return {
        "host": address.host,
        "port": address.port,
        "database": address.database,
        "user": granted["dbUser"],
        "password": granted["dbPassword"],
        "ssl": True,
        "sslmode": "verify-full",
    }


def client(service: str, address: Address) -> Any:  # noqa: ANN401  which client depends on the name
    """A client of AWS. Raises `SettingsError`."""
    connect_to: Any = boto3.client
    return asked(
        lambda: connect_to(service, region_name=address.region, config=Config(**_AWS)),
        f"a client of {service}",
    )


def _open(login: dict[str, Any]) -> Any:  # noqa: ANN401  the driver has no types
    connection = redshift_connector.connect(
        **login,
        application_name="headrace",
        timeout=_SILENCE_SECONDS,
        tcp_keepalive=True,
        tcp_keepalive_idle=30,
        tcp_keepalive_interval=10,
        tcp_keepalive_count=3,
        max_prepared_statements=0,  # staging tables come and go under the same name
    )
    connection.autocommit = True
    connection.redshift_types[_VARBYTE] = (_TEXT_FORMAT, varbyte)
    try:
        for statement in _SETTINGS:
            connection.cursor().execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def varbyte(data: bytes, offset: int, length: int) -> bytes:
    """A VARBYTE as the server writes it, in hexadecimal digits: the driver would take its bytes for text."""
    return bytes.fromhex(data[offset : offset + length].decode("ascii"))
