"""msgspec's error texts as reject codes: it has no codes of its own, so tests pin its texts."""

import re

from headrace.schemas.reject_codes import RejectCode

_CODES: tuple[tuple[re.Pattern[str], RejectCode], ...] = tuple(
    (re.compile(pattern), code)
    for pattern, code in (
        (r"Object missing required field", RejectCode.MISSING_FIELD),
        (r"Object contains unknown field", RejectCode.UNKNOWN_FIELD),
        (r"Expected `.*`, got `", RejectCode.WRONG_TYPE),
        (r"Expected `(str|bytes|array)` of length <= ", RejectCode.TOO_LONG),
        (r"Expected `(int|float)` (<=|>=|<|>) ", RejectCode.OUT_OF_RANGE),
        (r"(Integer value|Number) out of range", RejectCode.OUT_OF_RANGE),
        (r"Invalid RFC3339 encoded date$", RejectCode.BAD_VALUE),
        (r"Invalid RFC3339|Expected `datetime` with a timezone", RejectCode.BAD_TIME),
    )
)


def code_of(message: str) -> RejectCode:
    """The code of a `ValidationError`'s text; what is none of the others is a bad value."""
    return next((code for pattern, code in _CODES if pattern.match(message)), RejectCode.BAD_VALUE)


def split_path(message: str, at: str) -> tuple[str, str]:
    """(path, text) of a `ValidationError` that was raised below the path `at`."""
    text, _, below = message.partition(" - at `$")
    return at + below.removesuffix("`"), text
