"""What can go wrong with the Data API, as headrace's own errors.

The service tells why a statement failed in words. Redshift's own errors are a number (1023: a serializable
isolation violation), which is looked for first, then a SQLSTATE. Where the text gives neither, the words of
PostgreSQL's most common refusals decide: nothing else does.
"""

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)

from headrace.errors import (
    HeadraceError,
    SchemaMismatch,
    SettingsError,
    WarehouseRefused,
    WarehouseUnavailable,
)
from headrace.warehouse.codes import is_missing, may_be_repeated

BUSY = frozenset(
    {
        "ActiveStatementsExceededException",
        "ActiveSessionsExceededException",
        "ActiveWaitingRequestsExceededException",
        "DatabaseConnectionException",
        "InternalServerException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""The answers after which the same request is made again."""

_DENIED = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidSignatureException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
    }
)
_SERVER_FAULT = 500
_NUMBER = re.compile(r"ERROR:\s+(\d{4,5})\b")
_SQLSTATE = re.compile(r"SQLSTATE:?\s+([0-9A-Z]{5})\b")
_WORDS = (
    (re.compile(r"deadlock detected|could not serialize access"), "40001"),
    (re.compile(r"permission denied|must be (the )?owner|must be superuser"), "42501"),
    (re.compile(r"(relation|column|schema|role|user) \S+ does not exist"), "42P01"),
)
_SIZE = re.compile(r"exceeded size limit|[Pp]acket for query is too large")


def request_fault(error: BotoCoreError | ClientError, what: str) -> HeadraceError:
    """The error of a request that was not taken."""
    if isinstance(error, ClientError):
        code = error.response["Error"].get("Code", "")
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        text = f"the Data API, {what}: {error}"
        if code in BUSY or status >= _SERVER_FAULT:
            return WarehouseUnavailable(text)
        return SettingsError(f"HEADRACE_WAREHOUSE_URL: {text}") if code in _DENIED else WarehouseRefused(text)
    if isinstance(error, NoCredentialsError | PartialCredentialsError | NoRegionError):
        return SettingsError(f"the Data API cannot be asked: {error}")
    if isinstance(error, ParamValidationError):
        return WarehouseRefused(f"the Data API, {what}: {error}")
    return WarehouseUnavailable(f"the Data API, {what}, does not answer: {error}")


def statement_fault(told: str) -> HeadraceError:
    """The error of a statement that the service took and that failed; `told` is why, in its words."""
    number, state = _found(_NUMBER, told), _found(_SQLSTATE, told)
    if not state:
        state = next((meant for words, meant in _WORDS if words.search(told)), "")
    if may_be_repeated(state, number):
        return WarehouseUnavailable(f"the warehouse could not do it now: {told}")
    if is_missing(state):
        return SchemaMismatch(f"the warehouse lacks something; `headrace migrate` creates it: {told}")
    if state == "42501":
        return SettingsError(f"HEADRACE_WAREHOUSE_URL: this user may not do it: {told}")
    if _SIZE.search(told):
        return WarehouseRefused(
            "the Data API returns at most 500 MB in all and 64 KB in a row: ask for fewer rows (LIMIT) or "
            f"columns: {told}"
        )
    return WarehouseRefused(f"the warehouse refused: {told}")


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""
