"""`POST /records`: who may, what came, is it good, and is it on disk."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple, TypeVar
from urllib.parse import parse_qs

from headrace.schemas.registry import RECORD_TYPES
from producers.http import body as bodies
from producers.http.access import Tokens
from producers.http.answer import Answer, problem, retry_later
from producers.http.body import Limits
from producers.http.connection import Head, ReadBody
from producers.http.intray import Intray, Request
from producers.http.judge import Good, judge
from producers.line_format import Seal, is_of_lines

T = TypeVar("T")

PATH = "/records"
_LONG_BODY = 1 << 16  # judged in a thread of its own, so that others need not wait
_LONGEST_KEY = 255


class Asked(NamedTuple):
    """What the head of a good request says."""

    media_type: str
    record_type: str | None
    key: str | None


class Memory:
    """Bytes of bodies that are held at a time, by all requests together."""

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self._taken = 0

    def take(self, size: int) -> bool:
        """Whether there is room for more."""
        if self._taken + size > self._allowed:
            return False
        self._taken += size
        return True

    def give_back(self, size: int) -> None:
        """These are done with."""
        self._taken -= size


class Endpoint:
    """Answers requests; `draining`: take nothing more."""

    def __init__(
        self, intray: Intray, seal: Seal, tokens: Tokens | None, limits: Limits, memory: int
    ) -> None:
        self._intray = intray
        self._seal = seal
        self._tokens = tokens
        self._limits = limits
        self._memory = Memory(memory)
        self.draining = False

    async def respond(self, head: Head, read_body: ReadBody) -> Answer:
        """The answer to one request."""
        asked = self._asked(head)
        if isinstance(asked, Answer):
            return asked
        held: list[bytes] = []
        try:
            refusal = await self._read(read_body, held)
            return refusal or await self._take(head, asked, b"".join(held))
        finally:
            self._memory.give_back(sum(map(len, held)))

    def _asked(self, head: Head) -> Asked | Answer:
        """What can be said before the body is read."""
        if self._tokens is not None and not self._tokens.admit(head.headers):
            challenge = (("WWW-Authenticate", 'Bearer realm="headrace"'),)
            return problem(HTTPStatus.UNAUTHORIZED, "a bearer token is needed", challenge)
        path, _, query = head.target.partition("?")
        if path != PATH:
            return problem(HTTPStatus.NOT_FOUND, f"there is only {PATH}")
        if head.method != "POST":
            return problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{PATH} takes POST", (("Allow", "POST"),))
        if self.draining:
            return retry_later(HTTPStatus.SERVICE_UNAVAILABLE, "the producer is stopping; nothing was taken")
        return self._declared(head, query)

    def _declared(self, head: Head, query: str) -> Asked | Answer:
        headers = head.headers
        if "content-length" not in headers and "transfer-encoding" not in headers:
            return problem(HTTPStatus.LENGTH_REQUIRED, "neither a Content-Length nor a chunked body")
        if int(headers.get("content-length", "0")) > self._limits.body_bytes:
            return bodies.body_too_large(self._limits)
        media_type = bodies.kind_of(headers)
        if isinstance(media_type, Answer):
            return media_type
        record_type = _record_type(query)
        if isinstance(record_type, Answer):
            return record_type
        key = headers.get("idempotency-key")
        if key is not None:
            key = key.strip().strip('"')
            if not 1 <= len(key) <= _LONGEST_KEY:
                return problem(
                    HTTPStatus.BAD_REQUEST, f"an Idempotency-Key has 1 to {_LONGEST_KEY} characters"
                )
        return Asked(media_type, record_type, key)

    async def _read(self, read_body: ReadBody, held: list[bytes]) -> Answer | None:
        """The body, or why it cannot be had."""
        size = 0
        while True:
            part = await read_body()
            if part is None:
                return problem(HTTPStatus.REQUEST_TIMEOUT, "the body was not here in time; nothing was taken")
            if not part:
                return None
            size += len(part)
            if size > self._limits.body_bytes:
                return bodies.body_too_large(self._limits)
            if not self._memory.take(len(part)):
                detail = "too many requests are under way; nothing of this one was taken"
                return retry_later(HTTPStatus.TOO_MANY_REQUESTS, detail)
            held.append(part)

    async def _take(self, head: Head, asked: Asked, body: bytes) -> Answer:
        request = Request.of(asked.key, asked.media_type, asked.record_type, body)
        known = self._intray.known(request)
        if known is not None:
            return await known
        found = await _aside(len(body), lambda: self._records(head, asked, body))
        if isinstance(found, Answer):
            return found
        good = await _aside(len(body), lambda: self._judge(asked, found))
        if isinstance(good, Answer):
            return good
        return await self._intray.take(request, good)

    def _judge(self, asked: Asked, found: list[bytes]) -> Good | Answer:
        return judge(found, asked.record_type, self._seal, record_bytes=self._limits.record_bytes)

    def _records(self, head: Head, asked: Asked, body: bytes) -> list[bytes] | Answer:
        return bodies.records(asked.media_type, head.headers, body, self._limits)


def _record_type(query: str) -> str | Answer | None:
    given = parse_qs(query, keep_blank_values=True)
    unknown = sorted(set(given) - {"type"})
    if unknown:
        return problem(HTTPStatus.BAD_REQUEST, f"{PATH} knows ?type=, not {', '.join(unknown)[:100]}")
    names = given.get("type", [])
    if not names:
        return None
    if len(names) > 1 or not is_of_lines(RECORD_TYPES.get(names[0])):
        possible = ", ".join(sorted(t.name for t in RECORD_TYPES.values() if is_of_lines(t)))
        return problem(HTTPStatus.BAD_REQUEST, f"?type= is one of {possible}")
    return names[0]


async def _aside(size: int, work: Callable[[], T]) -> T:
    return work() if size <= _LONG_BODY else await asyncio.to_thread(work)
