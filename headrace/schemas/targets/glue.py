"""Glue tables over the archive, for Athena and Spark: one per record type of `events`, one of the rejects.

The partitions are projected from the prefixes that the archive declares, so that no crawler has to find them.
Source: Amazon Athena User Guide, "Partition projection" and "OpenX JSON SerDe".
"""

import re
from collections.abc import Iterable
from typing import Any

from headrace.schemas.archive import DELIVERIES
from headrace.schemas.record_type import Field, RecordType
from headrace.schemas.records.reject import REJECT
from headrace.schemas.registry import RECORD_TYPES
from headrace.schemas.reject_codes import RejectCode
from headrace.schemas.streams import STREAMS

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
_MOST_COMMENT = 255
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


def field_type(field: Field) -> str:
    """The Hive type of a field in JSON; bytes stay the base64 that they are there."""
    if field.kind == "decimal":
        return f"decimal({field.precision},{field.scale})"
    return f"array<struct<{_struct(field.items)}>>" if field.kind == "list" else _TYPES[field.kind]


def _struct(fields: Iterable[Field]) -> str:
    return ",".join(f"{field.name}:{field_type(field)}" for field in fields)


def _column(name: str, type_: str, comment: str) -> Column:
    return {"Name": name, "Type": type_, "Comment": comment[:_MOST_COMMENT]}


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
