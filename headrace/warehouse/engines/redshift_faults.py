"""What can go wrong with Redshift and with the bucket that it loads from, as headrace's own errors.

Redshift's own errors all have SQLSTATE XX000, and their number in the message or, of errors on the nodes, in
a line `code:` of the detail: the driver gives it nowhere else.
"""

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)
from redshift_connector.error import DataError, NotSupportedError
from redshift_connector.error import Error as RedshiftError

from headrace.errors import (
    HeadraceError,
    SchemaMismatch,
    SettingsError,
    WarehouseRefused,
    WarehouseUnavailable,
)
from headrace.warehouse.codes import is_missing, may_be_repeated

_NO_ENTRY = ("28", "3D", "42501")
_NUMBER = re.compile(r"^\s*code:\s+(\d+)\s*$", re.MULTILINE)
_BUSY = frozenset({"RequestTimeout", "ServiceUnavailable", "SlowDown", "ThrottlingException"})
_SERVER_FAULT = 500

_Result = TypeVar("_Result")


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
    if may_be_repeated(state, _number(told)):
        return WarehouseUnavailable(f"the warehouse could not do it now: {text}")
    if is_missing(state):
        return SchemaMismatch(f"the warehouse lacks something; `headrace migrate` creates it: {text}")
    if state.startswith(_NO_ENTRY):
        return SettingsError(f"HEADRACE_WAREHOUSE_URL: this user may not do it: {text}")
    return WarehouseRefused(f"the warehouse refused: {text}")


@contextmanager
def faults() -> Iterator[None]:
    """Around calls of the driver: of an answer that is cut short it raises what its decoding raises."""
    try:
        yield
    except (RedshiftError, OSError, struct.error, IndexError) as error:
        raise fate_of(error) from error


def asked(call: Callable[[], _Result], what: str) -> _Result:
    """The answer of AWS. Raises `WarehouseUnavailable` and `SettingsError`."""
    try:
        return call()
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        if code in _BUSY or status >= _SERVER_FAULT:
            raise WarehouseUnavailable(f"{what}: {error}") from error
        raise SettingsError(f"HEADRACE_WAREHOUSE_URL: {what}: {error}") from error
    except (NoCredentialsError, NoRegionError, ParamValidationError, PartialCredentialsError) as error:
        raise SettingsError(f"HEADRACE_WAREHOUSE_URL: {what}: {error}") from error
    except BotoCoreError as error:
        raise WarehouseUnavailable(f"{what}: {error}") from error


def _number(told: dict[str, str]) -> str:
    """Redshift's own number of an error; '' where it has none."""
    message = told.get("M", "").strip()
    found = _NUMBER.search(told.get("D", ""))
    return message if message.isdigit() else found[1] if found else ""


def _words(told: dict[str, str]) -> str:
    """SQLSTATE, message and detail."""
    return " ".join(filter(None, (told.get(field, "").strip() for field in "CMD")))
