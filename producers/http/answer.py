"""What a request is answered with; errors are problem details (RFC 9457)."""

from http import HTTPStatus
from typing import NamedTuple

import msgspec

Headers = tuple[tuple[str, str], ...]

_RETRY_SECONDS = 1


class Answer(NamedTuple):
    """A whole response, but for what the connection adds."""

    status: HTTPStatus
    body: bytes
    headers: Headers


def accepted(records: int, *, replayed: bool = False) -> Answer:
    """All records of the request are on disk; `replayed`: they were, when it came."""
    told: Headers = (("Idempotent-Replayed", "true"),) if replayed else ()
    body = b'{"accepted":%d}\n' % records
    return Answer(HTTPStatus.ACCEPTED, body, (("Content-Type", "application/json"), *told))


def problem(
    status: HTTPStatus, detail: str, headers: Headers = (), *, extensions: dict[str, object] | None = None
) -> Answer:
    """Why a request is not accepted, for a person in `detail` and for a program in `extensions`."""
    told = {"title": status.phrase, "status": status.value, "detail": detail} | (extensions or {})
    kind = ("Content-Type", "application/problem+json")
    return Answer(status, msgspec.json.encode(told) + b"\n", (kind, *headers))


def retry_later(status: HTTPStatus, detail: str) -> Answer:
    """A problem that passes."""
    return problem(status, detail, (("Retry-After", str(_RETRY_SECONDS)),))
