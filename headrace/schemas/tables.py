"""A neutral model of a warehouse table, from which each target derives its DDL."""

import re
from dataclasses import dataclass
from typing import Literal

TypeName = Literal[
    "text", "bigint", "int", "smallint", "decimal", "double", "boolean", "date", "timestamp", "bytes"
]

MAX_TEXT_BYTES = 65_535
"""The longest VARCHAR of Redshift."""

MAX_PRECISION = 38
"""The most digits of Redshift's, Spark's and Hive's decimals."""

MAX_BINARY_BYTES = 1_024_000
"""The longest VARBYTE of Redshift."""


@dataclass(frozen=True)
class ColumnType:
    """A type that every target has; made by the functions and constants below."""

    name: TypeName
    max_bytes: int | None = None  # text, bytes
    precision: int | None = None  # decimal
    scale: int | None = None


BIGINT = ColumnType("bigint")
INT = ColumnType("int")
SMALLINT = ColumnType("smallint")
DOUBLE = ColumnType("double")
BOOLEAN = ColumnType("boolean")
DATE = ColumnType("date")
TIMESTAMP = ColumnType("timestamp")
"""An instant in UTC, with microseconds."""


def text(max_bytes: int) -> ColumnType:
    """Text of at most `max_bytes` bytes of UTF-8.

    Raises:
        ValueError: no target could hold it.
    """
    if not 1 <= max_bytes <= MAX_TEXT_BYTES:
        raise ValueError(f"a text column holds 1 .. {MAX_TEXT_BYTES} bytes, not {max_bytes}")
    return ColumnType("text", max_bytes=max_bytes)


def binary(max_bytes: int) -> ColumnType:
    """At most `max_bytes` bytes.

    Raises:
        ValueError: no target could hold them.
    """
    if not 1 <= max_bytes <= MAX_BINARY_BYTES:
        raise ValueError(f"a bytes column holds 1 .. {MAX_BINARY_BYTES} bytes, not {max_bytes}")
    return ColumnType("bytes", max_bytes=max_bytes)


def decimal(precision: int, scale: int) -> ColumnType:
    """An exact number of `precision` digits, `scale` of them after the point.

    Raises:
        ValueError: no target could hold it.
    """
    if not (1 <= precision <= MAX_PRECISION and 0 <= scale <= precision):
        raise ValueError(f"decimal({precision}, {scale}) does not fit every target")
    return ColumnType("decimal", precision=precision, scale=scale)


@dataclass(frozen=True)
class Column:
    """One column; `nullable` is for values that may really be unknown, never for keys and sums."""

    name: str
    type: ColumnType
    nullable: bool = False
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse a name that some engine would have to be asked to accept."""
        _check_name(self.name)


@dataclass(frozen=True)
class Table:
    """A table: columns in order, the order on disk (`sort_key`) and the spread over nodes (`dist_key`).

    `dist_key` None spreads the rows evenly. Rows are merged by `lookup_key`, a short column: an index where
    the engine has them, so that a merge into a large table need not read all of it. There are no primary or
    unique keys: Redshift does not enforce them, so nothing may lean on them.

    Raises:
        ValueError: a name is not plain, appears twice, or a key is no column.
    """

    name: str
    columns: tuple[Column, ...]
    sort_key: tuple[str, ...] = ()
    dist_key: str | None = None
    description: str = ""
    lookup_key: str | None = None

    def __post_init__(self) -> None:
        """Refuse a table that some target could not create."""
        _check_name(self.name)
        names = [column.name for column in self.columns]
        if not names:
            raise ValueError(f"{self.name} has no columns")
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name} names a column twice: {names}")
        for key in filter(None, (*self.sort_key, self.dist_key, self.lookup_key)):
            self.column(key)

    def column(self, name: str) -> Column:
        """The column called `name`.

        Raises:
            ValueError: there is none.
        """
        for candidate in self.columns:
            if candidate.name == name:
                return candidate
        raise ValueError(f"{self.name} has no column {name!r}")


def _check_name(name: str) -> None:
    """Lower case, at most 63 bytes: the same, quoted or not, in every engine."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
        raise ValueError(f"{name!r} is not a name of a-z, 0-9 and _ of at most 63 characters")
