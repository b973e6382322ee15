"""The partition keys of records on their way out, read from their bytes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union

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
    decode = _decoder({name: keyed.get(name) for name in RECORD_TYPES})

    def keys_of(records: Sequence[bytes]) -> list[str | None]:
        try:
            keys = [event.data.key for event in map(decode, records)]
        except msgspec.ValidationError:
            keys = [_key(decode, record) for record in records]
        return [
            key if key.__class__ is str and 0 < len(key) <= _LONGEST_KEY else _shortened(key) for key in keys
        ]

    return keys_of


def _decoder(fields: Mapping[str, str | None]) -> Callable[[bytes], Any]:
    """Reads records of these types; `data.key` is the value of the type's field."""
    unkeyed = msgspec.defstruct("Unkeyed", [], namespace={"key": None}, gc=False)
    kinds = []
    for name, field in fields.items():
        data = unkeyed
        if field is not None:
            data = msgspec.defstruct("Keyed", [("key", Any, None)], rename={"key": field}, gc=False)
        kinds.append(msgspec.defstruct("Event", [("data", data)], tag_field="type", tag=name, gc=False))
    return msgspec.json.Decoder(Union[tuple(kinds)]).decode  # noqa: UP007  of a tuple


def _key(decode: Callable[[bytes], Any], record: bytes) -> object:
    try:
        return decode(record).data.key
    except msgspec.ValidationError:  # a type that an earlier version knew
        return None


def _shortened(key: object) -> str | None:
    return None if key is None else str(key)[:_LONGEST_KEY] or None


def _names(record_type: str | None) -> list[str]:
    return list(RECORD_TYPES) if record_type is None else [record_type]
