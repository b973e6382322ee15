"""The partition keys of records on their way out, read from their bytes."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from headrace.schemas.registry import RECORD_TYPES

KeysOf = Callable[[Sequence[bytes]], list[str | None]]
"""Sealed records -> their partition keys; None for what goes unkeyed, as rejects do."""

_LONGEST_KEY = 256  # characters that Kinesis takes


def is_keyed(record_type: str | None) -> bool:
    """Whether the order of records with one key must be kept; None stands for every type."""
    return any(RECORD_TYPES[name].partition_key is not None for name in _names(record_type))


def key_reader(record_type: str | None) -> KeysOf:
    """What reads the keys of records of this type, and of rejects; None: records of every type come."""
    fields = {name: RECORD_TYPES[name].partition_key for name in _names(record_type)}
    keyed = {name: field for name, field in fields.items() if field is not None}
    if not keyed:
        return lambda records: [None] * len(records)
    data = msgspec.defstruct("Keyed", [(field, Any, None) for field in sorted(set(keyed.values()))])
    event = msgspec.defstruct("KeyedEvent", [("type", str), ("data", data)])
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(event).decode

    def keys_of(records: Sequence[bytes]) -> list[str | None]:
        keys: list[str | None] = []
        for event in map(decode, records):
            field = keyed.get(event.type)
            value = None if field is None else getattr(event.data, field)
            keys.append(None if value is None else str(value)[:_LONGEST_KEY] or None)
        return keys

    return keys_of


def _names(record_type: str | None) -> list[str]:
    return list(RECORD_TYPES) if record_type is None else [record_type]
