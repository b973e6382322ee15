"""The Data API's results as Python values.

Which member of a field holds which type was taken from recorded answers: numeric, date and times come as
text, varbyte as a blob. Should a varbyte ever come as text, it stays that text: whether it would be hex or
base64 is not documented.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal

Field = Mapping[str, object]
"""The union of isNull, booleanValue, longValue, doubleValue, stringValue and blobValue."""


def _instant(text: str) -> datetime:
    """An aware instant in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


_OF_TEXT: Mapping[str, Callable[[str], object]] = {
    "numeric": Decimal,
    "decimal": Decimal,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamptz": _instant,
}


def row(fields: Sequence[Field], types: Sequence[str]) -> tuple[object, ...]:
    """One record; `types` are the columns' `typeName`s."""
    return tuple(_value(field, type_) for field, type_ in zip(fields, types, strict=True))


def _value(field: Field, type_: str) -> object:
    ((member, value),) = field.items()
    if member == "isNull":
        return None
    if member == "stringValue" and (convert := _OF_TEXT.get(type_)):
        with suppress(
            ValueError, ArithmeticError
        ):  # what Python has no value for, like `infinity`, stays text
            return convert(str(value))
    return value
