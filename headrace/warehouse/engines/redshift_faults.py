"""What can go wrong with Redshift over its driver, as headrace's own errors.

Redshift's own errors all have SQLSTATE XX000, and their number in the message or, of errors on the nodes, in
a line `code:` of the detail: the driver gives it nowhere else.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from redshift_connector.error import DataError, NotSupportedError
from redshift_connector.error import Error as RedshiftError

from headrace.errors import HeadraceError, WarehouseRefused, WarehouseUnavailable
from headrace.warehouse import codes

_NUMBER = re.compile(r"^\s*code:\s+(\d+)\s*$", re.MULTILINE)


def fate_of(error: Exception) -> HeadraceError:
    """The error that callers see. Without a SQLSTATE there was no whole answer, whatever the reason.

    What the driver itself refuses to send has no SQLSTATE either, and would never go through.
    """
    told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    state, text = str(told.get("C", "")), f"{type(error).__name__}: {_words(told) or error}"
    if isinstance(error, DataError | NotSupportedError):
        return WarehouseRefused(f"the driver cannot send it: {text}")
    if not state:
        return WarehouseUnavailable(f"no connection to the warehouse: {text}")
    return codes.fate_of(state, text, number=_number(told))


@contextmanager
def faults() -> Iterator[None]:
    """Around calls of the driver: of an answer that is cut short it raises what its decoding raises."""
    try:
        yield
    except (RedshiftError, OSError, struct.error, IndexError) as error:
        raise fate_of(error) from error


def _number(told: dict[str, str]) -> str:
    """Redshift's own number of an error; '' where it has none."""
    message = told.get("M", "").strip()
    found = _NUMBER.search(told.get("D", ""))
    return message if message.isdigit() else found[1] if found else ""


def _words(told: dict[str, str]) -> str:
    """SQLSTATE, message and detail."""
    return " ".join(filter(None, (told.get(field, "").strip() for field in "CMD")))
