"""A record type: a name with its major version, and the Struct that types and bounds its `data`."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from msgspec import Meta, Struct, inspect

Kind = Literal["text", "integer", "decimal", "boolean", "float", "date", "bytes", "list"]

PII = Meta(extra={"pii": True})
"""Marks a field as personal: it names, reaches or locates one person, or is free text that may do so.

A mark for people and their tools; it is no part of the JSON Schema, and changes nothing that travels.
"""


@dataclass(frozen=True)
class Field:
    """One field of a record type as every target needs to know it."""

    name: str
    kind: Kind
    nullable: bool
    required: bool
    description: str
    pii: bool = False  # personal: see PII
    max_bytes: int | None = None  # texts and bytes
    pattern: str | None = None  # texts
    minimum: int | Decimal | None = None  # integers and decimals
    maximum: int | Decimal | None = None
    precision: int | None = None  # decimals
    scale: int | None = None
    monthly: bool = False  # dates: always the first day of a month
    items: tuple["Field", ...] = ()  # lists of flat objects
    max_items: int | None = None


@dataclass(frozen=True)
class RecordType:
    """One version of one kind of record.

    `data` is a frozen msgspec Struct with `forbid_unknown_fields`; every text has a `max_length`, which the
    codec reads as UTF-8 bytes, every integer has both bounds, within 64 bits, and every decimal those that
    `limits.exact` gives. A `pattern` in a Meta's `extra` is matched by the codec, once per distinct value;
    msgspec's own is matched for each record.

    `partition_key` names the field whose value keys the record in Kinesis (None: unkeyed, spread by
    aggregate).
    A type that is not `numbered` carries no `sequence` and stands outside the ledger.

    Raises:
        TypeError: a field's type is not supported, or a value is not bounded.
        ValueError: the name is not of the form `web_access.v1`, or `partition_key` is no field.
    """

    name: str
    data: type[Struct]
    description: str
    partition_key: str | None = None
    numbered: bool = True
    fields: tuple[Field, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Derive the fields, and refuse what could not be stored everywhere."""
        if not re.fullmatch(r"[a-z][a-z0-9_]*\.v[1-9][0-9]*", self.name):
            raise ValueError(f"a record type is named like 'web_access.v1', not {self.name!r}")
        if not self.data.__struct_config__.forbid_unknown_fields:
            raise TypeError(f"{self.data.__name__} must forbid unknown fields")
        object.__setattr__(self, "fields", _fields_of(self.data))
        if self.partition_key is not None:
            self.field(self.partition_key)

    def field(self, name: str) -> Field:
        """The field called `name`.

        Raises:
            ValueError: there is none.
        """
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise ValueError(f"{self.name} has no field {name!r}")


def _fields_of(struct: type[Struct]) -> tuple[Field, ...]:
    described = inspect.type_info(struct)
    if not isinstance(described, inspect.StructType):
        raise TypeError(f"{struct!r} is no Struct")
    return tuple(_field(entry, where=f"{struct.__name__}.{entry.encode_name}") for entry in described.fields)


def _field(entry: inspect.Field, *, where: str) -> Field:
    described, extra, nullable = _unwrap(entry.type, where=where)
    kind, bounds = _kind(described, extra, where=where)
    if kind == "float" and nullable:
        raise TypeError(f"{where}: a float may not be null, because NaN is written as null")
    return Field(
        name=entry.encode_name,
        kind=kind,
        nullable=nullable,
        required=entry.required,
        description=extra.get("description", ""),
        pii=extra.get("pii", False),
        pattern=extra.get("pattern"),
        **bounds,
    )


def _unwrap(described: inspect.Type, *, where: str) -> tuple[inspect.Type, dict[str, Any], bool]:
    """The type without `| None` and metadata, what the metadata add, and whether it may be null."""
    extra: dict[str, Any] = {}
    nullable = False
    while isinstance(described, inspect.Metadata | inspect.UnionType):
        if isinstance(described, inspect.Metadata):
            extra = {**(described.extra_json_schema or {}), **(described.extra or {}), **extra}
            described = described.type
            continue
        members = [member for member in described.types if not isinstance(member, inspect.NoneType)]
        if len(members) != 1:
            raise TypeError(f"{where}: a union of more than one type has no column to go to")
        described, nullable = members[0], True
    return described, extra, nullable


def _kind(  # noqa: PLR0911  a kind, a return
    described: inspect.Type, extra: dict[str, Any], *, where: str
) -> tuple[Kind, dict[str, Any]]:
    match described:
        case inspect.StrType(max_length=int(limit)):
            return "text", {"max_bytes": limit}
        case inspect.IntType(ge=int(low), le=int(high)):
            return "integer", {"minimum": low, "maximum": high}
        case inspect.DecimalType() if "precision" in extra:
            return "decimal", {name: extra[name] for name in ("precision", "scale", "minimum", "maximum")}
        case inspect.DateType():
            return "date", {"monthly": extra.get("monthly", False)}
        case inspect.BoolType():
            return "boolean", {}
        case inspect.FloatType():
            return "float", {}
        case inspect.BytesType(max_length=int(limit)):
            return "bytes", {"max_bytes": limit}
        case inspect.ListType(item_type=inspect.StructType() as item, max_length=int(limit)):
            items = _fields_of(item.cls)
            if any(part.pattern or part.kind in {"decimal", "date"} for part in items):
                raise TypeError(f"{where}: in a list, limits are msgspec's own")
            return "list", {"items": items, "max_items": limit}
    raise TypeError(f"{where}: {type(described).__name__} is not supported, or not bounded")
