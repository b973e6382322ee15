"""What a line format is: how the lines of a source become records; each stands in `producers/formats/`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import Struct

from headrace.errors import SettingsError
from headrace.schemas.codec import FieldError, RejectCode, Rejection, seal
from headrace.schemas.record_type import RecordType
from headrace.schemas.records.reject import REJECT
from headrace.schemas.registry import RECORD_TYPES
from producers import catalog

Seal = Callable[[bytes, str, int], bytes | Rejection]
"""(line, source, number) -> the record as it travels, or why there is none."""

TimeOf = Callable[[bytes], datetime | None]
"""The event time of a line; None for one that is no record."""

Parse = Callable[[bytes], tuple[datetime, Struct] | Rejection]
"""A line's event time and data, or why it is no record."""

NO_SHIFT = timedelta(0)
_ANY = "ndjson"


@dataclass(frozen=True)
class LineFormat:
    """One format; its module holds it as `FORMAT`.

    `record_type` is the type that its lines give; None: any, and then `sealer` is told which (or None, where
    each line names its own). `sealer` gives the function that seals lines with event times shifted.
    """

    record_type: str | None
    sealer: Callable[[str | None, timedelta], Seal]
    time_of: TimeOf


class Chosen:
    """The format and the type of one input's lines; `record_type` None: each line names its own."""

    def __init__(self, line_format: str, record_type: str | None) -> None:
        self.name = line_format.replace("_", "-")
        self.record_type = record_type
        self._format: LineFormat = catalog.load("producers.formats", line_format).FORMAT

    def sealer(self, shift: timedelta = NO_SHIFT) -> Seal:
        """The function that seals a line, its event time shifted."""
        return self._format.sealer(self.record_type, shift)

    @property
    def time_of(self) -> TimeOf:
        """The function that reads a line's event time."""
        return self._format.time_of


def choose(usual: str, record_type: str | None, line_format: str | None) -> Chosen:
    """The format and type of lines, from what is set and the source's usual format.

    Another type than the usual format's comes as NDJSON. Raises SettingsError where they do not go together.
    """
    if record_type is not None and not is_of_lines(RECORD_TYPES.get(record_type)):
        possible = ", ".join(sorted(t.name for t in RECORD_TYPES.values() if is_of_lines(t)))
        raise SettingsError(f"type {record_type}: not a record type of lines; known are {possible}")
    if line_format is None:
        line_format = usual if record_type in (None, _gives(usual)) else _ANY
    given = _gives(line_format)
    if given is not None and record_type not in (None, given):
        raise SettingsError(f"format {line_format} gives {given}, not {record_type}")
    return Chosen(line_format, given or record_type)


def is_of_lines(record_type: RecordType | None) -> bool:
    """Whether a source can give such records."""
    return record_type is not None and record_type.numbered and record_type is not REJECT


def parsed(parse: Parse) -> Callable[[str | None, timedelta], Seal]:
    """The `sealer` of a format that gives time and data."""

    def sealer(_: str | None, shift: timedelta) -> Seal:
        def seal_line(line: bytes, source: str, number: int) -> bytes | Rejection:
            found = parse(line)
            if isinstance(found, Rejection):
                return found
            time, data = found
            return seal(source, number, shifted(time, shift) if shift else time, data, raw=line)

        return seal_line

    return sealer


def parsed_time(parse: Parse) -> TimeOf:
    """The `time_of` of a format that gives time and data."""

    def time_of(line: bytes) -> datetime | None:
        found = parse(line)
        return None if isinstance(found, Rejection) else found[0]

    return time_of


def shifted(time: datetime, shift: timedelta) -> datetime:
    """The time, shifted as far as the calendar goes; the codec judges it."""
    try:
        return time + shift
    except OverflowError:
        return time


def unparsable(line: bytes, message: str, record_type: str | None, *, at: str = "$") -> Rejection:
    """The rejection of a line that does not fit its format."""
    clean = "".join(character for character in message if character >= " ")[:150]
    errors = (FieldError(at, clean.encode(errors="replace").decode()[:100]),)
    return Rejection(code=RejectCode.UNPARSABLE_LINE, errors=errors, raw=line, record_type=record_type)


def _gives(line_format: str) -> str | None:
    found: LineFormat = catalog.load("producers.formats", line_format).FORMAT
    return found.record_type
