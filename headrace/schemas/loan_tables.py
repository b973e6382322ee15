"""The tables of the batch pipeline, derived from its record types."""

from headrace.schemas.record_type import Field, RecordType
from headrace.schemas.records.loan_origination import LOAN_ORIGINATION as ORIGINATION
from headrace.schemas.records.loan_performance import LOAN_PERFORMANCE as PERFORMANCE
from headrace.schemas.tables import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    SMALLINT,
    Column,
    ColumnType,
    Table,
    binary,
    decimal,
    text,
)

PARTITIONS: tuple[tuple[str, ColumnType], ...] = (("vintage_year", INT), ("vintage_quarter", INT))
"""What a Hive table is partitioned by; the files do not hold these columns. Quarter 0 is a whole year."""

_ADDED = (
    Column(
        "vintage", text(6), description="quarter of origination, 2005Q1; 2005 in a sample of a whole year"
    ),
    Column("file_line", BIGINT, description="number of the line in its input file, from 1"),
)
"""`vintage` says inside the files what the partition columns say outside."""


_FIXED: dict[str, ColumnType] = {"boolean": BOOLEAN, "date": DATE, "float": DOUBLE}


def column_type(field: Field) -> ColumnType:
    """The narrowest column that holds every value of a field.

    Raises:
        TypeError: the field is a list.
    """
    if field.kind == "text":
        return text(field.max_bytes or 0)
    if field.kind == "bytes":
        return binary(field.max_bytes or 0)
    if field.kind == "decimal":
        return decimal(field.precision or 0, field.scale or 0)
    if field.kind == "integer":
        widest = max(abs(int(field.minimum or 0)), abs(int(field.maximum or 0)))
        return SMALLINT if widest < 2**15 else INT if widest < 2**31 else BIGINT
    if field.kind not in _FIXED:
        raise TypeError(f"{field.name}: a {field.kind} has no column")
    return _FIXED[field.kind]


def record_columns(record_type: RecordType) -> tuple[Column, ...]:
    """A column per field of a flat record type."""
    return tuple(
        Column(field.name, column_type(field), nullable=field.nullable, description=field.description)
        for field in record_type.fields
    )


def _table(name: str, record_type: RecordType, keys: tuple[str, ...]) -> Table:
    return Table(
        name=name,
        columns=(*record_columns(record_type), *_ADDED),
        sort_key=("vintage", *keys),
        dist_key="loan_identifier",
        description=f"{record_type.description} The rows of `{record_type.name}` from files.",
        lookup_key="loan_identifier",
    )


LOAN_ORIGINATIONS = _table("loan_originations", ORIGINATION, ("loan_identifier",))
LOAN_PERFORMANCE = _table("loan_performance", PERFORMANCE, ("loan_identifier", "period"))

LOAN_TABLES: dict[str, Table] = {table.name: table for table in (LOAN_ORIGINATIONS, LOAN_PERFORMANCE)}
LOAN_KEYS: dict[str, tuple[str, ...]] = {
    LOAN_ORIGINATIONS.name: ("loan_identifier",),
    LOAN_PERFORMANCE.name: ("loan_identifier", "period"),
}
"""What names one row of each table."""
