"""The partition key of a record on its way out, read from its bytes."""

from collections.abc import Callable
from typing import Any

import msgspec

from headrace.schemas.registry import RECORD_TYPES

KeyOf = Callable[[bytes], str | None]

_LONGEST_KEY = 256  # characters that Kinesis takes


def is_keyed(record_type: str | None) -> bool:
    """Whether the order of records with one key must be kept; None stands for every type."""
    return any(RECORD_TYPES[name].partition_key is not None for name in _names(record_type))


def key_reader(record_type: str | None) -> KeyOf:
    """A function from sealed bytes to their partition key; None for what goes unkeyed, as rejects do.

    `record_type` None: records of every type come.
    """
    fields = {name: RECORD_TYPES[name].partition_key for name in _names(record_type)}
    keyed = {name: field for name, field in fields.items() if field is not None}
    if not keyed:
        return lambda _: None
    data = msgspec.defstruct("Keyed", [(field, Any, None) for field in sorted(set(keyed.values()))])
    event = msgspec.defstruct("KeyedEvent", [("type", str), ("data", data)])
    decode = msgspec.json.Decoder(event).decode

    def key_of(record: bytes) -> str | None:
        read: Any = decode(record)
        field = keyed.get(read.type)
        value = None if field is None else getattr(read.data, field)
        return None if value is None else str(value)[:_LONGEST_KEY] or None

    return key_of


def _names(record_type: str | None) -> list[str]:
    return list(RECORD_TYPES) if record_type is None else [record_type]
