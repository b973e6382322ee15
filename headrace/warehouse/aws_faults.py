"""What can go wrong with a request to AWS on the way to a warehouse, as headrace's own errors."""

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)

from headrace.errors import HeadraceError, SettingsError, WarehouseRefused, WarehouseUnavailable

_BUSY = frozenset(
    {
        "ActiveSessionsExceededException",
        "ActiveStatementsExceededException",
        "ActiveWaitingRequestsExceededException",
        "BatchExecuteStatementException",
        "DatabaseConnectionException",
        "ExecuteStatementException",
        "InternalServerException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""The answers after which the same request may be made again."""

_MALFORMED = "ValidationException"
_SERVER_FAULT = 500

_Result = TypeVar("_Result")


def request_fault(error: BotoCoreError | ClientError, what: str) -> HeadraceError:
    """The error of a request that was not taken; `what` it was for."""
    text = f"{what}: {error}"
    if isinstance(error, ClientError):
        code = error.response["Error"].get("Code", "")
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        if code in _BUSY or status >= _SERVER_FAULT:
            return WarehouseUnavailable(text)
        return WarehouseRefused(text) if code == _MALFORMED else _setting(text)
    if isinstance(error, NoCredentialsError | NoRegionError | ParamValidationError | PartialCredentialsError):
        return _setting(text)
    return WarehouseUnavailable(text)


def asked(call: Callable[[], _Result], what: str) -> _Result:
    """The answer of AWS. Raises `WarehouseUnavailable`, `WarehouseRefused` and `SettingsError`."""
    try:
        return call()
    except (BotoCoreError, ClientError) as error:
        raise request_fault(error, what) from error


def _setting(text: str) -> SettingsError:
    return SettingsError(f"HEADRACE_WAREHOUSE_URL, or the AWS settings: {text}")
