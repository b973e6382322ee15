"""HiveQL of the batch pipeline's catalog: external tables, whose partitions are put in place one at a time.

Source: Apache Hive, Language Manual, "DDL". Hive keeps no NOT NULL: the codec has seen to it.
"""

from collections.abc import Mapping

from headrace.schemas.loan_tables import PARTITIONS
from headrace.schemas.tables import Column, ColumnType, Table
from headrace.schemas.targets import spark
from headrace.schemas.targets.spark import quote

MAX_COMMENT = 255
"""The longest comment on a column, in characters; Glue's limit, and one less than Hive's."""

_LINES_SERDE = """\
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe'
WITH SERDEPROPERTIES ('serialization.last.column.takes.rest' = 'true', 'serialization.null.format' = '\\n')
STORED AS TEXTFILE"""


def create_table(table: Table, *, database: str, location: str) -> str:
    """CREATE EXTERNAL TABLE IF NOT EXISTS of Parquet files, partitioned by vintage.

    Raises:
        ValueError: a column has the name of a partition.
    """
    if clashing := {column.name for column in table.columns} & {name for name, _ in PARTITIONS}:
        raise ValueError(f"{table.name}: {sorted(clashing)} are partitions")
    columns = ",\n".join(f"  {_column(column)}" for column in table.columns)
    storage = f"STORED AS PARQUET\n{_location(location)}"
    return _create(database, table.name, columns, table.description, storage)


def create_lines(name: str, description: str, *, database: str, location: str) -> str:
    r"""CREATE EXTERNAL TABLE IF NOT EXISTS of text files, partitioned by vintage: one column, `line`.

    LazySimpleSerDe would end a line at its delimiter, 0x01, and read `\N` as null: the properties forbid it.
    """
    return _create(database, name, "  `line` STRING", description, f"{_LINES_SERDE}\n{_location(location)}")


def add_partition(name: str, keys: Mapping[str, int], *, database: str, location: str) -> str:
    """ALTER TABLE ... ADD IF NOT EXISTS PARTITION: does nothing when the partition is there."""
    partition = f"ADD IF NOT EXISTS {_partition(keys)} {_location(location)}"
    return f"ALTER TABLE {_qualified(database, name)} {partition}"


def set_location(name: str, keys: Mapping[str, int], *, database: str, location: str) -> str:
    """ALTER TABLE ... SET LOCATION of a partition that is there: readers see the old files, or the new."""
    return f"ALTER TABLE {_qualified(database, name)} {_partition(keys)} SET {_location(location)}"


def column_type(type_: ColumnType) -> str:
    """The Hive type of a column; STRING for texts, because files hold no padding and no lengths."""
    return spark.column_type(type_)


def literal(text: str) -> str:
    """`text` as a string literal, in which a backslash escapes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _create(database: str, name: str, columns: str, description: str, storage: str) -> str:
    partitions = ", ".join(f"{quote(key)} {column_type(type_)}" for key, type_ in PARTITIONS)
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {_qualified(database, name)} (\n{columns}\n)\n"
        f"COMMENT {literal(description)}\nPARTITIONED BY ({partitions})\n{storage}"
    )


def _location(location: str) -> str:
    return f"LOCATION {literal(location)}"


def _column(column: Column) -> str:
    comment = f" COMMENT {literal(column.description[:MAX_COMMENT])}" if column.description else ""
    return f"{quote(column.name)} {column_type(column.type)}{comment}"


def _partition(keys: Mapping[str, int]) -> str:
    return "PARTITION (" + ", ".join(f"{quote(key)} = {value}" for key, value in keys.items()) + ")"


def _qualified(database: str, name: str) -> str:
    return f"{quote(database)}.{quote(name)}"
