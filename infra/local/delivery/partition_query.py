"""Partition keys by a query: jq objects of plain paths, as `headrace.schemas.archive` has them."""

import re
from collections.abc import Mapping

import msgspec

from infra.local.delivery.records import Failure

EXTRACTION_FAILED = "DynamicPartitioning.MetadataExtractionFailed"

_FIELD = r"\s*([A-Za-z_]\w*)\s*:\s*((?:\.[A-Za-z_]\w*)+)\s*"
_OBJECT = re.compile(rf"\s*\{{({_FIELD}(?:,{_FIELD})*)\}}\s*")
_FIELDS = re.compile(_FIELD)


class PartitionQuery:
    """`{code: .data.code}`: each key's path into a record."""

    def __init__(self, query: str) -> None:
        """Raises ValueError when the query is not an object of plain paths."""
        if _OBJECT.fullmatch(query) is None:
            raise ValueError(f"{query} is not an object of plain paths")
        self._paths = {name: path[1:].split(".") for name, path in _FIELDS.findall(query)}

    def keys(self, data: bytes) -> Mapping[str, str] | Failure:
        """The keys of one record, or why it has none."""
        try:
            record = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Failure(EXTRACTION_FAILED, "Non JSON record provided")
        keys = {name: _text(_at(record, path)) for name, path in self._paths.items()}
        return Failure(EXTRACTION_FAILED, NO_KEY) if "" in keys.values() else keys


NO_KEY = "partitionKeys values must not be null or empty"


def _at(value: object, path: list[str]) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(value: object) -> str:
    """As jq prints it; nothing for what is no key."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, bool | int | float) else ""
