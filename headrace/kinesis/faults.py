"""What becomes of each error that Kinesis can answer."""

from datetime import datetime

import msgspec

from headrace.errors import (
    HeadraceError,
    IteratorExpired,
    KinesisNotFound,
    KinesisRefused,
    KinesisThrottled,
    KinesisUnavailable,
    StreamInUse,
)

FATES: dict[str, type[HeadraceError]] = {
    "AccessDeniedException": KinesisRefused,
    "DryRunOperationException": KinesisRefused,
    "ExpiredIteratorException": IteratorExpired,
    "ExpiredNextTokenException": IteratorExpired,
    "ExpiredToken": KinesisUnavailable,  # even found anew; they may be renewed while we wait
    "ExpiredTokenException": KinesisUnavailable,
    "IncompleteSignature": KinesisRefused,
    "InternalFailure": KinesisUnavailable,
    "InternalFailureException": KinesisUnavailable,
    "InvalidArgumentException": KinesisRefused,
    "InvalidSignatureException": KinesisRefused,  # after the clock has been corrected once
    "KMSAccessDeniedException": KinesisRefused,
    "KMSDisabledException": KinesisRefused,
    "KMSInvalidStateException": KinesisRefused,
    "KMSNotFoundException": KinesisRefused,
    "KMSOptInRequired": KinesisRefused,
    "KMSThrottlingException": KinesisThrottled,
    "LimitExceededException": KinesisThrottled,
    "MissingAuthenticationTokenException": KinesisRefused,
    "ProvisionedThroughputExceededException": KinesisThrottled,
    "RequestExpired": KinesisRefused,  # after the clock has been corrected once
    "ResourceInUseException": StreamInUse,
    "ResourceNotFoundException": KinesisNotFound,
    "ServiceUnavailable": KinesisUnavailable,
    "ThrottlingException": KinesisThrottled,
    "UnrecognizedClientException": KinesisRefused,
    "SignatureDoesNotMatch": KinesisRefused,
    "ValidationException": KinesisRefused,
}

# Answers to a signature whose time the service does not believe.
CLOCK_FAULTS = frozenset({"InvalidSignatureException", "RequestExpired", "SignatureDoesNotMatch"})

# Answers to temporary credentials that are over: the service's clock says so, or their issuer took them back.
ENDED_CREDENTIALS = frozenset({"ExpiredTokenException", "ExpiredToken"})

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


class Fault(msgspec.Struct, frozen=True):
    """An error answer, read: its code, its words, and the HTTP status and Date that it came with."""

    code: str
    message: str
    status: int
    date: datetime | None

    def error(self, operation: str) -> HeadraceError:
        """The exception to raise: by the code where it is known, else by the status."""
        kind = FATES.get(self.code) or _by_status(self.status)
        return kind(f"Kinesis {operation}: {self.code} (HTTP {self.status}): {self.message}")


class _Body(msgspec.Struct):
    type: str = msgspec.field(name="__type", default="")
    message: str = ""
    capital_message: str = msgspec.field(name="Message", default="")


def read_fault(status: int, error_type: str, date: datetime | None, body: bytes) -> Fault:
    """The fault in an answer whose status is not 200; `error_type` is its x-amzn-ErrorType header."""
    try:
        parsed = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):  # a proxy's page, or half an answer
        parsed = _Body(message=body[:200].decode(errors="replace"))
    code = (parsed.type or error_type).rpartition("#")[2].partition(":")[0]
    return Fault(code or "no error code", parsed.message or parsed.capital_message, status, date)


def _by_status(status: int) -> type[HeadraceError]:
    if status == _TOO_MANY_REQUESTS:
        return KinesisThrottled
    return KinesisUnavailable if status >= _SERVER_ERROR else KinesisRefused
