"""How rows come into a temporary table of Redshift: few as parameters of one INSERT, more as Parquet by COPY.

A connection's files lie below a folder of a name that no other attempt has, so that a writer that was given
up, and goes on, cannot put its rows in another's place.
"""

import secrets
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace.errors import HeadraceError, WarehouseRefused
from headrace.ops.logs import get_logger
from headrace.schemas.tables import Table
from headrace.schemas.targets.sql import quote
from headrace.warehouse.aws_faults import asked
from headrace.warehouse.engines import redshift_sql
from headrace.warehouse.engines.redshift_address import Address
from headrace.warehouse.session import Cursor

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import DeleteObjectsOutputTypeDef, DeleteTypeDef

FEW_ROWS = 500
FEW_BYTES = 60_000
"""Of texts, and of bytes as hexadecimal digits: a VARCHAR, which FROM_HEX takes, holds 65,535."""

_ALIVE = "SELECT 1"
_MOST_PARAMETERS = 32_767
_KEYS_AT_ONCE = 1_000


def new_folder() -> str:
    """A name that nobody else has."""
    return secrets.token_hex(16)


class Staging:
    """Stages rows for the transactions of one connection, and removes what COPY has read."""

    def __init__(
        self, address: Address, s3: Callable[[], "S3Client"], *, folder: Callable[[], str] = new_folder
    ) -> None:
        self._address = address
        self._s3 = s3
        self._folder = folder
        self._written: list[str] = []
        self._made: list[str] = []
        self._left: list[str] = []

    def stage(self, cursor: Cursor, table: Table, name: str, parts: Iterable[pa.Table]) -> None:
        """See `Cursor.stage`. Raises `WarehouseRefused` unless as many rows were loaded as were written."""
        self._drop_left(cursor)
        self._made.append(name)
        rest = iter(parts)
        first, second = next(rest, None), next(rest, None)
        if first is None or (second is None and _is_little(first)):
            cursor.execute(redshift_sql.create_stage(table, name))
            if first is not None and first.num_rows:
                cursor.execute(*_insert(name, first))
            return
        written = chain([first], [] if second is None else [second], rest)
        manifest, rows = self._write(cursor, name, written)
        for statement in redshift_sql.stage(table, name, manifest, self._address.copy_role):
            cursor.execute(statement)
        cursor.execute(f"SELECT COUNT(*) FROM {quote(name)}")  # noqa: S608  a declared name
        (loaded,) = cursor.fetchone() or (None,)
        if loaded != rows:
            raise WarehouseRefused(f"{name}: {rows} rows were written to {manifest}, {loaded} were loaded")

    def end(self) -> None:
        """The transaction has ended: its temporary tables are left until the next one stages rows.

        The files are removed; those that cannot be removed now are left to the bucket's lifecycle.
        """
        self._left, self._made = sorted({*self._left, *self._made}), []
        written, self._written = self._written, []
        for start in range(0, len(written), _KEYS_AT_ONCE):
            some = [{"Key": key} for key in written[start : start + _KEYS_AT_ONCE]]
            try:
                left: object = self._delete(some).get("Errors")
            except HeadraceError as error:
                left = str(error)
            if left:
                get_logger().warning("staged_files_left", files=len(some), error=left)

    def forget(self) -> None:
        """The connection is gone, and its temporary tables with it."""
        self._left, self._made = [], []

    def _drop_left(self, cursor: Cursor) -> None:
        """All in one statement; dropped by hand, a table may be gone already."""
        if self._left:
            cursor.execute(redshift_sql.drop_stages(self._left))
            self._left = []

    def _delete(self, some: list[Any]) -> "DeleteObjectsOutputTypeDef":
        bucket = self._address.bucket
        wanted: DeleteTypeDef = {"Objects": some, "Quiet": True}
        return asked(lambda: self._s3().delete_objects(Bucket=bucket, Delete=wanted), "removing staged files")

    def _write(self, cursor: Cursor, name: str, parts: Iterable[pa.Table]) -> tuple[str, int]:
        """Write a file for each part, then the manifest that names exactly these; its URL, and the rows.

        A load's files may take longer than a writer's session may be idle (SESSION TIMEOUT): each but the
        first says that it is not.
        """
        folder = "/".join(filter(None, (self._address.prefix, self._folder())))
        entries, rows = [], 0
        for number, part in enumerate(parts):
            if number:
                cursor.execute(_ALIVE)
            sink = pa.BufferOutputStream()
            pq.write_table(part, sink)
            data = sink.getvalue().to_pybytes()
            url = self._put(f"{folder}/{name}-{number:05d}.parquet", data)
            entries.append({"url": url, "mandatory": True, "meta": {"content_length": len(data)}})
            rows += part.num_rows
        return self._put(f"{folder}/{name}.manifest", msgspec.json.encode({"entries": entries})), rows

    def _put(self, key: str, data: bytes) -> str:
        bucket = self._address.bucket
        self._written.append(key)
        asked(lambda: self._s3().put_object(Bucket=bucket, Key=key, Body=data), f"s3://{bucket}/{key}")
        return f"s3://{bucket}/{key}"


def _is_little(rows: pa.Table) -> bool:
    few = rows.num_rows <= FEW_ROWS and rows.num_rows * rows.num_columns <= _MOST_PARAMETERS
    return few and sum(map(_length, rows.columns)) <= FEW_BYTES


def _length(column: pa.ChunkedArray) -> int:
    """Bytes of text, or of hexadecimal digits."""
    if not (pa.types.is_string(column.type) or pa.types.is_binary(column.type)):
        return 0
    total = pc.sum(pc.binary_length(column)).as_py() or 0
    return total * 2 if pa.types.is_binary(column.type) else total


def _insert(name: str, rows: pa.Table) -> tuple[str, list[object]]:
    """One INSERT of all the rows, and its parameters."""
    columns = [[_parameter(value) for value in column.to_pylist()] for column in rows.columns]
    places = ", ".join(_place(column.type) for column in rows.columns)
    text = f"INSERT INTO {quote(name)} VALUES " + ", ".join([f"({places})"] * rows.num_rows)  # noqa: S608  places
    return text, [value for row in zip(*columns, strict=True) for value in row]


def _place(type_: pa.DataType) -> str:
    """Bytes and decimals come as text: the driver has no type for those, and no precision for these."""
    if pa.types.is_binary(type_):
        return "FROM_HEX(%s)"
    return f"CAST(%s AS DECIMAL({type_.precision}, {type_.scale}))" if pa.types.is_decimal(type_) else "%s"


def _parameter(value: object) -> object:
    match value:
        case bytes():
            return value.hex()
        case Decimal():
            return f"{value:f}"
        case _:
            return value
