"""What a windowed output groups by and counts: plain data, and pure functions of one field's value."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headrace.schemas.record_type import Field, RecordType
from headrace.schemas.tables import BIGINT, DOUBLE, Column, decimal, text


@dataclass(frozen=True)
class Derived:
    """A value computed from one field by a pure function that takes every value the field allows.

    The function never sees null. It is called once per distinct value of a batch, so plain Python is fast.
    """

    field: str
    by: Callable[[Any], Any]


@dataclass(frozen=True)
class Key:
    """A text that the window is grouped by: a text field, or what is derived from any field; null is ''."""

    name: str
    of: str | Derived
    max_bytes: int | None = None  # of a derived text: longer ones are cut

    @property
    def field(self) -> str:
        """The field that the key is made from."""
        return self.of if isinstance(self.of, str) else self.of.field

    def text(self, value: Any) -> str:  # noqa: ANN401  a field's value
        """The key of a record whose field has `value`."""
        if value is None:
            return ""
        if isinstance(self.of, str):
            return value  # type: ignore[no-any-return]  # a text field, checked by `check`
        derived: str = self.of.by(value)
        limit = self.max_bytes or 0
        return derived if len(derived) * 4 <= limit else derived.encode()[:limit].decode(errors="ignore")

    def column(self, record_type: RecordType) -> Column:
        """The key's column.

        Raises:
            ValueError: there is no such field.
            TypeError: the field is no text and nothing is derived from it, or a derived text is not bounded.
        """
        field = record_type.field(self.field)
        if isinstance(self.of, Derived):
            if self.max_bytes is None:
                raise TypeError(f"key {self.name!r}: state max_bytes of a derived text")
            return Column(self.name, text(self.max_bytes), description=f"derived from {field.name}")
        if field.kind != "text" or field.max_bytes is None or self.max_bytes is not None:
            raise TypeError(
                f"key {self.name!r}: take a text field as it is, or derive a text from {field.name!r}"
            )
        return Column(self.name, text(field.max_bytes), description=field.description)


@dataclass(frozen=True)
class Count:
    """How many records."""

    name: str

    def column(self, record_type: RecordType) -> Column:  # noqa: ARG002  one shape for all measures
        """The measure's column."""
        return Column(self.name, BIGINT, description="how many records")


@dataclass(frozen=True)
class CountIf:
    """How many records have a derived value that is true; null counts as false."""

    name: str
    of: Derived

    def holds(self, value: Any) -> bool:  # noqa: ANN401  a field's value
        """Whether a record whose field has `value` is counted."""
        return value is not None and bool(self.of.by(value))

    def column(self, record_type: RecordType) -> Column:
        """The measure's column.

        Raises:
            ValueError: there is no such field.
        """
        field = record_type.field(self.of.field)
        return Column(self.name, BIGINT, description=f"how many records, judged by {field.name}")


@dataclass(frozen=True)
class Sum:
    """The exact sum of an integer field; null adds nothing."""

    name: str
    field: str

    def column(self, record_type: RecordType) -> Column:
        """The measure's column.

        Raises:
            ValueError: there is no such field.
            TypeError: the field is no integer; a float's sum would depend on the order of the batches.
        """
        field = _integer(record_type, self.field, self.name)
        return Column(self.name, decimal(38, 0), description=f"sum of {field.name}")


@dataclass(frozen=True)
class Quantile:
    """The q-quantile of a non-negative integer field, within 1 %, over what is not null; else null."""

    name: str
    field: str
    q: float

    def column(self, record_type: RecordType) -> Column:
        """The measure's column.

        Raises:
            ValueError: there is no such field, or q is not between 0 and 1.
            TypeError: the field is no integer, or may be negative or beyond 2^53 - 1.
        """
        if not 0 < self.q < 1:
            raise ValueError(f"quantile {self.name!r}: q lies between 0 and 1, not {self.q}")
        field = _integer(record_type, self.field, self.name)
        if field.minimum is None or field.minimum < 0 or field.maximum is None or field.maximum >= 2**53:
            raise TypeError(f"quantile {self.name!r}: {field.name!r} must lie in 0 .. 2^53 - 1")
        return Column(
            self.name, DOUBLE, nullable=True, description=f"{self.q} quantile of {field.name}, within 1 %"
        )


@dataclass(frozen=True)
class Distinct:
    """About how many different values a text field has (standard error 1.6 %); null is left out."""

    name: str
    field: str

    def column(self, record_type: RecordType) -> Column:
        """The measure's column.

        Raises:
            ValueError: there is no such field.
            TypeError: the field is no text.
        """
        field = record_type.field(self.field)
        if field.kind != "text":
            raise TypeError(f"distinct {self.name!r}: {field.name!r} is no text")
        return Column(self.name, BIGINT, description=f"distinct {field.name}, standard error 1.6 %")


Measure = Count | CountIf | Sum | Quantile | Distinct


def _integer(record_type: RecordType, name: str, measure: str) -> Field:
    field = record_type.field(name)
    if field.kind != "integer":
        raise TypeError(
            f"{measure!r}: {name!r} is {field.kind}, and only integers add up exactly in any order"
        )
    return field
