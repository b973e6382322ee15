"""The partition key of a record on its way out, read from its bytes."""

from collections.abc import Callable
from typing import Any

import msgspec

from headrace.schemas.registry import RECORD_TYPES

KeyOf = Callable[[bytes], str | None]

_LONGEST_KEY = 256  # characters that Kinesis takes


def key_reader(record_type: str) -> KeyOf:
    """A function from sealed bytes to their partition key; None for what goes unkeyed, as rejects do."""
    field = RECORD_TYPES[record_type].partition_key
    if field is None:
        return lambda _: None
    data = msgspec.defstruct("Keyed", [(field, Any, None)])
    event = msgspec.defstruct("KeyedEvent", [("type", str), ("data", data)])
    decode = msgspec.json.Decoder(event).decode

    def key_of(record: bytes) -> str | None:
        read: Any = decode(record)
        value = getattr(read.data, field) if read.type == record_type else None
        return None if value is None else str(value)[:_LONGEST_KEY] or None

    return key_of
