"""Values as SQL text, for requests that take no parameters: the same value to Redshift and to PostgreSQL."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from headrace.errors import WarehouseRefused
from headrace.schemas.tables import MAX_PRECISION

_BACKSLASH = "' || CHR(92) || '"
"""Redshift takes a backslash in a literal for an escape, PostgreSQL does not: so none is ever in one."""


def rendered(text: str, parameters: Sequence[object]) -> str:
    """The statement with a literal for each `%s`, and `%` for `%%`; without parameters as it is.

    Raises `WarehouseRefused` when a value cannot be written as a literal.
    """
    if not parameters:
        return text
    return text % tuple(map(literal, parameters))


def literal(value: object) -> str:
    """One value. Raises `WarehouseRefused`."""
    match value:
        case None | True | False:
            return {None: "NULL", True: "TRUE", False: "FALSE"}[value]
        case int():
            return str(value) if value >= 0 else f"({value})"  # two minus signs would begin a comment
        case Decimal() if value.is_finite() and _digits(value) <= MAX_PRECISION:
            return f"CAST('{value:f}' AS DECIMAL({_digits(value)}, {_scale(value)}))"
        case str():
            return _text(value)
        case datetime() if value.tzinfo is not None:
            instant = value.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")
            return f"CAST('{instant}' AS TIMESTAMPTZ)"
        case date() if not isinstance(value, datetime):
            return f"CAST('{value.isoformat()}' AS DATE)"
        case _:
            raise WarehouseRefused(f"a {type(value).__name__} like {value!r} cannot be written as a literal")


def _text(value: str) -> str:
    if re.search("[\0\ud800-\udfff]", value):
        raise WarehouseRefused(f"no database holds a text like {value!r}")
    quoted = "'" + value.replace("'", "''").replace("\\", _BACKSLASH) + "'"
    return f"({quoted})" if "\\" in value else quoted


def _digits(value: Decimal) -> int:
    """How many digits its type needs, those after the point included."""
    _, digits, exponent = value.as_tuple()
    return max(len(digits) + max(int(exponent), 0), _scale(value), 1)


def _scale(value: Decimal) -> int:
    return max(-int(value.as_tuple().exponent), 0)
