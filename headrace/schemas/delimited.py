"""Lines of files without quotes or header: how the text of a cell becomes a member of a record, told once.

A line is turned into the JSON of its record's `data`, cell by cell, and the codec judges that: a line and the
same record as an event get the same verdict. A cell that is not written as its field asks for goes on as a
JSON text, which the codec refuses where a number is meant.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw, Struct

from headrace.schemas.examination import Fault, examine_data, examine_member
from headrace.schemas.reading import MAX_RECORD_BYTES
from headrace.schemas.record_type import RecordType
from headrace.schemas.reject_codes import RejectCode
from headrace.schemas.rejects import field_errors
from headrace.schemas.verdict import Rejection

_WHOLE = re.compile(r"(-?)0*([0-9]+)")
_DECIMAL = re.compile(r"(-?)0*([0-9]+(?:\.[0-9]+)?)")
_MONTH = re.compile(r"([0-9]{4})([0-9]{2})")
_NULL = Raw(b"null")


@dataclass(frozen=True)
class Cell:
    """One member that a cell gives.

    Args:
        name: the member.
        nulls: texts that say that the value is not known.
        words: texts that stand for another value; `""` is the empty cell, else null.
        otherwise: the value for every other text, where only words count.
        amount: whether the sign turns in a file whose losses are negative.
        first: only so many characters of it count.
    """

    name: str
    nulls: frozenset[str] = frozenset()
    words: Mapping[str, str | bool] = field(default_factory=dict)
    otherwise: bool | None = None
    amount: bool = False
    first: int | None = None


@dataclass(frozen=True)
class Layout:
    """What the columns of a file are, in order: each gives any number of members.

    Raises:
        ValueError: a member is no field of the record type, is given twice, or is required and not given.
    """

    name: str
    record_type: RecordType
    columns: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        """Refuse a layout that could give no record."""
        given = ["layout", *(cell.name for column in self.columns for cell in column)]
        required = {part.name for part in self.record_type.fields if part.required}
        twice = {name for name in given if given.count(name) > 1}
        if odd := twice | (required - set(given)):
            raise ValueError(f"{self.name}: given twice, or required and not given: {sorted(odd)}")
        for name in given:
            self.record_type.field(name)

    @property
    def cells(self) -> Iterator[tuple[int, Cell]]:
        """Every cell with the index of its column, from 0."""
        return ((at, cell) for at, column in enumerate(self.columns) for cell in column)


class LineReader:
    """Reads the lines of one file: its layout, and whether its losses are negative."""

    def __init__(self, layout: Layout, *, losses_negative: bool) -> None:
        self.layout = layout
        self._constant = Raw(msgspec.json.encode(layout.name))
        self._members = [
            (at, cell.name, _member_of(cell, layout.record_type, turned=cell.amount and losses_negative))
            for at, cell in layout.cells
        ]
        self._by_name = {name: member for _, name, member in self._members}

    def read(self, line: bytes, *, source: str, number: int) -> Struct | Rejection:
        """The verdict on one line without its line end; a carriage return at its end is none of it."""
        faults: list[Fault] = []
        record = self._record(line, faults)
        if record is not None:
            return record
        return Rejection(
            code=faults[0].code,
            errors=field_errors((fault.path, fault.message) for fault in faults),
            raw=line,
            source=source,
            sequence=number,
            record_type=self.layout.record_type.name,
        )

    def value(self, name: str, text: str) -> tuple[bool, Any]:
        """Whether the codec takes the member that this text of its cell gives, and its value."""
        faults: list[Fault] = []
        if "\0" in text:
            return False, None
        value = examine_member(self.layout.record_type.name, name, self._by_name[name](text), faults)
        return not faults, value

    def _record(self, line: bytes, faults: list[Fault]) -> Struct | None:
        text = _text_of(line, faults)
        if text is None:
            return None
        cells = text.removesuffix("\r").split("|")
        if len(cells) != len(self.layout.columns):
            message = f"{len(cells)} fields, and a line of this file has {len(self.layout.columns)}"
            faults.append(Fault(RejectCode.FIELD_COUNT, "$", message))
            return None
        members = {name: member(cells[at]) for at, name, member in self._members}
        return examine_data(self.layout.record_type.name, {"layout": self._constant, **members}, faults)


def _text_of(line: bytes, faults: list[Fault]) -> str | None:
    if len(line) > MAX_RECORD_BYTES:
        message = f"{len(line)} bytes, and at most {MAX_RECORD_BYTES} are taken"
        faults.append(Fault(RejectCode.TOO_LARGE, "$", message))
    elif b"\0" in line:
        faults.append(Fault(RejectCode.NUL_CHARACTER, "$", f"U+0000 at byte {line.index(0)}"))
    else:
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            faults.append(Fault(RejectCode.BAD_TEXT, "$", f"no UTF-8 at byte {error.start}"))
    return None


def _member_of(cell: Cell, record_type: RecordType, *, turned: bool) -> Callable[[str], Raw]:
    """Turns the text of a cell into its member's JSON."""
    words = {text: Raw(msgspec.json.encode(value)) for text, value in cell.words.items()}
    known = {"": _NULL} | dict.fromkeys(cell.nulls, _NULL) | words
    if cell.otherwise is not None:
        other = Raw(msgspec.json.encode(cell.otherwise))
        return lambda text: words.get(text, other)
    spell = _SPELLINGS.get(record_type.field(cell.name).kind, _as_text)

    def member(text: str) -> Raw:
        if text in known:
            return known[text]
        return Raw(spell(text[: cell.first], turned))

    return member


def _as_text(text: str, turned: bool) -> bytes:  # noqa: ARG001, FBT001  one shape for all spellings
    return msgspec.json.encode(text)


def _whole(text: str, turned: bool) -> bytes:  # noqa: FBT001  as above
    return _number(_WHOLE.fullmatch(text), text, turned=turned)


def _decimal(text: str, turned: bool) -> bytes:  # noqa: FBT001  as above
    return _number(_DECIMAL.fullmatch(text), text, turned=turned)


def _number(written: re.Match[str] | None, text: str, *, turned: bool) -> bytes:
    """A JSON number has no leading zeros; the sign of nothing is dropped."""
    if written is None:
        return msgspec.json.encode(text)
    sign, digits = written.groups()
    negative = (sign == "-") != turned and digits.strip("0.") != ""
    return (("-" if negative else "") + digits).encode()


def _month(text: str, turned: bool) -> bytes:  # noqa: ARG001, FBT001  as above
    """`YYYYMM` as the first day of the month; nothing else may come out as a day."""
    written = _MONTH.fullmatch(text)
    day = f"not YYYYMM: {text}" if written is None else f"{written[1]}-{written[2]}-01"
    return msgspec.json.encode(day)


_SPELLINGS = {"integer": _whole, "decimal": _decimal, "date": _month}
