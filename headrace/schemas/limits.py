"""Limits of a field's values that msgspec does not know, and who breaks them.

msgspec counts characters where limits are bytes, takes any `Decimal` that a text or an exponent can spell,
and has no limits for days of the calendar. Patterns are matched by the codec, once per distinct value.
"""

import re
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec import Meta

from headrace.schemas.record_type import Field
from headrace.schemas.reject_codes import RejectCode

DATE_FROM, DATE_BEFORE = date(1900, 1, 1), date(2200, 1, 1)
"""Days lie in [DATE_FROM, DATE_BEFORE): every target has them."""

PLAIN_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")
"""How a decimal is written: no exponent, and no text, which msgspec would read as a number."""


def exact(precision: int, scale: int, *, low: str, high: str) -> Meta:
    """An exact number with at most `scale` digits after the point, from `low` to `high`.

    Raises:
        ValueError: a bound does not fit decimal(precision, scale).
    """
    for bound in (Decimal(low), Decimal(high)):
        if abs(bound) >= Decimal(10) ** (precision - scale) or _scale(bound) > scale:
            raise ValueError(f"{bound} is no decimal({precision}, {scale})")
    return Meta(
        extra={"precision": precision, "scale": scale, "minimum": Decimal(low), "maximum": Decimal(high)},
        extra_json_schema={"type": "number", "scale": scale, "minimum": low, "maximum": high},
    )


def choice(*values: str) -> Meta:
    """One of these texts."""
    listed = "|".join(re.escape(value) for value in values)
    return Meta(
        max_length=max(len(value.encode()) for value in values),
        extra={"pattern": rf"^(?:{listed})(?!\n)$"},
        extra_json_schema={"enum": list(values)},
    )


def shaped(pattern: str, max_length: int) -> Meta:
    """A text of this form, which the whole of it has."""
    whole = rf"^(?:{pattern})(?!\n)$"
    return Meta(max_length=max_length, extra={"pattern": whole}, extra_json_schema={"pattern": whole})


MONTH = Meta(extra={"monthly": True}, extra_json_schema={"description": "the first day of a month"})
"""A date that stands for its month: always the first day."""


def broken(value: Any, field: Field) -> tuple[RejectCode, str] | None:  # noqa: ANN401  any field's
    """Why the field may not have this value, which is of its type; None when it may."""
    match field.kind:
        case "text":
            return _broken_text(value, field)
        case "decimal":
            return _broken_decimal(value, field)
        case "date":
            return _broken_date(value, field)
    return None


def _broken_text(value: str, field: Field) -> tuple[RejectCode, str] | None:
    size = len(value.encode())
    if size > (field.max_bytes or 0):
        return RejectCode.TOO_LONG, f"{size} bytes, and at most {field.max_bytes} are taken"
    if field.pattern is not None and not re.search(field.pattern, value):
        return RejectCode.BAD_VALUE, f"it does not match {field.pattern}"
    return None


def _broken_decimal(value: Decimal, field: Field) -> tuple[RejectCode, str] | None:
    low, high = field.minimum, field.maximum
    if not value.is_finite() or low is None or high is None or not low <= value <= high:
        return RejectCode.OUT_OF_RANGE, f"it lies outside {low} .. {high}"
    if _scale(value) > (field.scale or 0):
        return RejectCode.BAD_VALUE, f"it has more than {field.scale} digits after the point"
    return None


def _broken_date(value: date, field: Field) -> tuple[RejectCode, str] | None:
    if not DATE_FROM <= value < DATE_BEFORE:
        return RejectCode.OUT_OF_RANGE, f"a day lies from {DATE_FROM} to before {DATE_BEFORE}"
    if field.monthly and value.day != 1:
        return RejectCode.BAD_VALUE, "it stands for a month, and is not the first day of one"
    return None


def _scale(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0
