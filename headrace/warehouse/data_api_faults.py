"""Why a statement failed that the Data API took, as headrace's own errors.

The service tells it in words. Redshift's own errors are a number (1023: a serializable isolation violation),
which is looked for first, then a SQLSTATE. Where the text gives neither, the words of PostgreSQL's most
common refusals decide: nothing else does.
"""

import re

from headrace.errors import HeadraceError, WarehouseRefused
from headrace.warehouse.codes import fate_of

_NUMBER = re.compile(r"ERROR:\s+(\d{4,5})\b")
_SQLSTATE = re.compile(r"SQLSTATE:?\s+([0-9A-Z]{5})\b")
_WORDS = (
    (re.compile(r"deadlock detected|could not serialize access"), "40001"),
    (re.compile(r"permission denied|must be (the )?owner|must be superuser"), "42501"),
    (re.compile(r"(relation|column|schema|role|user) \S+ does not exist"), "42P01"),
)
_SIZE = re.compile(r"exceeded size limit|[Pp]acket for query is too large")


def statement_fault(told: str) -> HeadraceError:
    """The error of a statement; `told` is why it failed, in the service's words."""
    if _SIZE.search(told):
        return WarehouseRefused(
            "the Data API returns at most 500 MB in all and 64 KB in a row: ask for fewer rows (LIMIT) or "
            f"columns: {told}"
        )
    state = _found(_SQLSTATE, told) or next((meant for words, meant in _WORDS if words.search(told)), "")
    return fate_of(state, told, number=_found(_NUMBER, told))


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""
