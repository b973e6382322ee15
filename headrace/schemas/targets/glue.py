"""Glue tables, for Athena and Spark: over the archive, and over the Parquet files of the batch pipeline.

The archive has a table per record type of `events`, and one of the rejects. Its partitions are projected from
the prefixes that it declares, so that no crawler has to find them. Those of the batch pipeline are not: each
is put in place when its files are whole, and a projection would look at one place for ever.
Source: Amazon Athena User Guide, "Partition projection" and "OpenX JSON SerDe".
"""

import re
from collections.abc import Iterable
from typing import Any

from headrace.schemas.archive import DELIVERIES
from headrace.schemas.loan_tables import PARTITIONS
from headrace.schemas.record_type import Field, RecordType
from headrace.schemas.records.reject import REJECT
from headrace.schemas.registry import RECORD_TYPES
from headrace.schemas.reject_codes import RejectCode
from headrace.schemas.streams import STREAMS
from headrace.schemas.tables import Table
from headrace.schemas.targets import hive
from headrace.schemas.targets.hive import MAX_COMMENT

Column = dict[str, str]

ADDED: tuple[tuple[str, str, str], ...] = (
    ("_source", "string", "who numbered the record"),
    ("_sequence", "bigint", "its number there; null for a type that is not numbered"),
    ("_event_time", "string", "RFC 3339, UTC: from_iso8601_timestamp(_event_time)"),
    ("_ingested_at", "string", "its arrival on the stream: from_iso8601_timestamp(_ingested_at)"),
)
"""What a line holds beside the record's own fields."""

_ENVELOPE = ("specversion", "id", "type", "source", "sequence", "time")
_TYPES = {
    "text": "string",
    "integer": "bigint",
    "float": "double",
    "boolean": "boolean",
    "date": "date",
    "bytes": "string",
}
_FIRST_DAY = "2025-01-01"  # partitions go by arrival, and no archive is older
_PROJECTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "date": ("string", {"type": "date", "format": "yyyy-MM-dd", "range": f"{_FIRST_DAY},NOW"}),
    "hour": ("string", {"type": "integer", "range": "0,23", "digits": "2"}),
    "code": ("string", {"type": "enum", "values": ",".join(RejectCode)}),
}


def archive_tables(bucket: str) -> list[dict[str, Any]]:
    """The TableInput of each table: every record type that the archive keeps, and `rejects`."""
    kept = [RECORD_TYPES[name] for name in STREAMS["events"].record_types if name != REJECT.name]
    return [*(record_table(record_type, bucket) for record_type in kept), reject_table(bucket)]


def record_table(record_type: RecordType, bucket: str) -> dict[str, Any]:
    """The record type's lines: `web_access.v1` is the table `web_access_v1`.

    Raises:
        ValueError: a field has the name of a partition.
    """
    columns = [_column(field.name, field_type(field), field.description) for field in record_type.fields]
    columns += [_column(*added) for added in ADDED]
    prefix = DELIVERIES["events"].prefix.replace("!{partitionKeyFromLambda:type}", record_type.name)
    return _table(record_type.name.replace(".", "_"), record_type.description, columns, prefix, bucket)


def reject_table(bucket: str) -> dict[str, Any]:
    """The archive of the stream `errors`: whole `reject.v1` events."""
    data = f"struct<{_struct(REJECT.fields)}>"
    columns = [_column(name, "string", "of the CloudEvent") for name in _ENVELOPE]
    columns.append(_column("data", data, REJECT.description))
    return _table("rejects", REJECT.description, columns, DELIVERIES["errors"].prefix, bucket)


def parquet_table(table: Table, root: str) -> dict[str, Any]:
    """The TableInput of a table of the batch pipeline; `root` is its storage, s3://….

    Raises:
        ValueError: a column has the name of a partition.
    """
    if clashing := {column.name for column in table.columns} & {name for name, _ in PARTITIONS}:
        raise ValueError(f"{table.name}: {sorted(clashing)} are partitions")
    columns = [
        _column(column.name, hive.column_type(column.type).lower(), column.description)
        for column in table.columns
    ]
    return {
        "Name": table.name,
        "Description": table.description,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [
            {"Name": name, "Type": hive.column_type(type_).lower()} for name, type_ in PARTITIONS
        ],
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
        "StorageDescriptor": {
            "Columns": columns,
            "Location": f"{root.rstrip('/')}/tables/{table.name}/",
            "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
            },
        },
    }


def field_type(field: Field) -> str:
    """The Hive type of a field in JSON; bytes stay the base64 that they are there."""
    if field.kind == "decimal":
        return f"decimal({field.precision},{field.scale})"
    return f"array<struct<{_struct(field.items)}>>" if field.kind == "list" else _TYPES[field.kind]


def _struct(fields: Iterable[Field]) -> str:
    return ",".join(f"{field.name}:{field_type(field)}" for field in fields)


def _column(name: str, type_: str, comment: str) -> Column:
    return {"Name": name, "Type": type_, "Comment": comment[:MAX_COMMENT]}


def _table(name: str, description: str, columns: list[Column], prefix: str, bucket: str) -> dict[str, Any]:
    template = re.sub(r"(\w+)=!\{[^}]*\}", r"\1=${\1}", prefix)
    partitions = re.findall(r"\$\{(\w+)\}", template)
    if clashing := {column["Name"] for column in columns} & set(partitions):
        raise ValueError(f"{name}: {sorted(clashing)} are partitions of the archive")
    place = f"s3://{bucket}/"
    return {
        "Name": name,
        "Description": description,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": key, "Type": _PROJECTIONS[key][0]} for key in partitions],
        "Parameters": {
            "EXTERNAL": "TRUE",
            "classification": "json",
            "compressionType": "gzip",
            "projection.enabled": "true",
            "storage.location.template": place + template,
            **{
                f"projection.{key}.{option}": value
                for key in partitions
                for option, value in _PROJECTIONS[key][1].items()
            },
        },
        "StorageDescriptor": {
            "Columns": columns,
            "Location": place + template[: template.rindex("/", 0, template.index("${")) + 1],
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "Compressed": True,
            "SerdeInfo": {
                "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
                "Parameters": {"ignore.malformed.json": "false"},
            },
        },
    }
