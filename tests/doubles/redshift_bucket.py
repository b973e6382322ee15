"""A bucket in memory, as far as staging and COPY need one."""

import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.warehouse.copy_text import copy_text


class Bucket:
    """Objects by key, behind the calls of boto3 that staging makes.

    Attributes:
        put: every key that was ever put.
        keeps: it refuses to remove anything.
    """

    def __init__(self, name: str = "staging") -> None:
        self.name = name
        self.objects: dict[str, bytes] = {}
        self.put: list[str] = []
        self.keeps = False

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> dict[str, Any]:  # noqa: N803  as boto3 names them
        assert Bucket == self.name
        self.objects[Key] = Body
        self.put.append(Key)
        return {}

    def delete_objects(self, *, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803  the same
        assert Bucket == self.name
        if self.keeps:
            return {"Errors": [{"Key": each["Key"], "Code": "AccessDenied"} for each in Delete["Objects"]]}
        for each in Delete["Objects"]:
            del self.objects[each["Key"]]
        return {}

    def read(self, url: str) -> bytes:
        """Raises KeyError when there is no such object."""
        place = urlsplit(url)
        assert place.netloc == self.name
        return self.objects[place.path[1:]]


def copied(bucket: Bucket, manifest: str) -> Iterator[bytes]:
    """What COPY loads, as COPY text.

    Raises ValueError for a manifest or a file that COPY of Parquet would not take.
    """
    for entry in json.loads(bucket.read(manifest))["entries"]:
        data = bucket.read(entry["url"])
        if entry["meta"]["content_length"] != len(data):
            raise ValueError("content_length")
        yield from map(bytes, copy_text(_plain(pq.read_table(io.BytesIO(data)))))


def _plain(rows: pa.Table) -> pa.Table:
    """Instants lose their zone, as COPY has none."""
    for index, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            rows = rows.set_column(index, field.name, rows.column(index).cast(pa.timestamp("us")))
    return rows
