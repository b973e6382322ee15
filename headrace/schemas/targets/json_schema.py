"""JSON Schema of a record type's `data`, for producers in other languages.

It says what the codec takes, as far as JSON Schema can: it counts characters where the codec counts bytes,
does not see how a number is spelled, and knows no rule between two fields. A validator must read numbers as
decimals: 0.07 is no multiple of 0.01 in binary. Source: JSON Schema, draft 2020-12, "Core", "Validation".
"""

from typing import Any

import msgspec

from headrace.schemas.limits import DATE_BEFORE, DATE_FROM
from headrace.schemas.record_type import Field, RecordType

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_CENTURIES = "|".join(str(century) for century in range(DATE_FROM.year // 100, DATE_BEFORE.year // 100))


def json_schema(record_type: RecordType) -> dict[str, Any]:
    """The schema of the `data` of one version of a record type."""
    derived = msgspec.json.schema(record_type.data)
    definitions = derived["$defs"]
    data = definitions.pop(record_type.data.__name__)
    for field in record_type.fields:
        _limit(data["properties"][field.name], field)
        for item, part in _parts(field, definitions):
            _limit(item, part)
    head = {"$schema": DIALECT, "title": record_type.name, "description": record_type.description}
    kept = {name: data[name] for name in ("type", "properties", "required", "additionalProperties")}
    return head | kept | ({"$defs": definitions} if definitions else {})


def _parts(field: Field, definitions: dict[str, Any]) -> list[tuple[dict[str, Any], Field]]:
    """The members of a list's items, with the field that each is."""
    names = {part.name for part in field.items}
    for definition in definitions.values() if names else ():
        if definition["properties"].keys() == names:
            return [(definition["properties"][part.name], part) for part in field.items]
    return []


def _limit(declared: dict[str, Any], field: Field) -> None:
    """Put the codec's limits where msgspec knows none, or others."""
    declared.pop("default", None)  # the codec gives null for what is left out: nothing to say
    schema = next((member for member in declared.get("anyOf", ()) if member != {"type": "null"}), declared)
    match field.kind:
        case "text":
            declared["description"] = f"{field.description}; at most {field.max_bytes} bytes of UTF-8"
        case "bytes":
            declared["description"] = f"{field.description}; at most {field.max_bytes} bytes"
        case "decimal":
            for name in ("format", "scale"):
                schema.pop(name, None)
            schema["type"] = "number"
            schema["multipleOf"] = 10 ** -(field.scale or 0)
            schema["minimum"], schema["maximum"] = float(field.minimum or 0), float(field.maximum or 0)
        case "date":
            day = "01" if field.monthly else "[0-9]{2}"
            schema["pattern"] = f"^(?:{_CENTURIES})[0-9]{{2}}-[0-9]{{2}}-{day}$"
