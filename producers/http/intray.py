"""Where good requests go: to the reader, once each, and until their records are on disk."""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import NamedTuple

from headrace.ops import metrics
from headrace.ops.clock import Clock
from headrace.schemas.event import MAX_SOURCE_BYTES
from producers.http.answer import Answer, accepted, problem, retry_later
from producers.http.idempotency import Known, Requests, fingerprint_of, name_of, places
from producers.http.judge import Good
from producers.http.lane import UNNAMED, Lane, Outcome, Submission
from producers.spool.entry import HEADER_BYTES

_ENTRY_BYTES = (
    HEADER_BYTES + MAX_SOURCE_BYTES + 100
)  # beside the record, at most: its header, source and place


class Request(NamedTuple):
    """What tells a request from others: the name made of its key, if it has one, and its content."""

    name: str
    fingerprint: str

    @classmethod
    def of(cls, key: str | None, media_type: str, record_type: str | None, body: bytes) -> "Request":
        """From its parts; without a key nothing needs to be told apart."""
        if key is None:
            return cls(UNNAMED, "")
        return cls(name_of(key), fingerprint_of(media_type, record_type or "", body))


class _UnderWay(NamedTuple):
    fingerprint: str
    records: int
    outcome: "Future[Outcome]"


class Intray:
    """Used by the server's thread alone."""

    def __init__(
        self,
        lane: Lane,
        passing: Lane,
        *,
        requests: Requests,
        has_room: Callable[[int], bool],
        clock: Clock,
        wait_seconds: float,
        name: str = "",
    ) -> None:
        """`has_room` speaks of the spool behind `lane`; a request waits `wait_seconds` for the disk."""
        self._lane = lane
        self._passing = passing
        self._requests = requests
        self._has_room = has_room
        self._durable_seconds = metrics.HTTP_DURABLE_SECONDS.labels(name)
        self._records = metrics.HTTP_RECORDS.labels(name)
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._under_way: dict[str, _UnderWay] = {}

    def known(self, request: Request) -> Awaitable[Answer] | None:
        """The answer to a request that was taken before, or is being taken; None where it is new.

        One that was cut short by a crash counts as new.
        """
        if request.name == UNNAMED:
            return None
        same = self._under_way.get(request.name)
        if same is not None:
            if same.fingerprint != request.fingerprint:
                return _at_once(_other_content())
            return self._fate(same.outcome, same.records, replayed=True)
        found = self._requests.find(request.name)
        if found is None:
            return None
        if found.fingerprint != request.fingerprint:
            return _at_once(_other_content())
        return _at_once(accepted(found.records, replayed=True)) if found.is_complete else None

    async def take(self, request: Request, good: Good) -> Answer:
        """Have all of its records put on disk."""
        if not good.records:
            return accepted(0)
        known = None if good.passing else self.known(request)  # it may have come twice since it was looked up
        if known is not None:
            return await known
        lane = self._passing if good.passing else self._lane
        submission = self._submission(request, good)
        if lane.is_closed:
            return _stopping()
        fits = good.passing or self._has_room(lane.waiting_bytes + submission.size)
        if not fits or not lane.offer(submission):
            return _no_room()
        outcome, count = submission.outcome, len(good.records)
        if submission.name != UNNAMED:
            self._under_way[request.name] = _UnderWay(request.fingerprint, count, outcome)
            outcome.add_done_callback(lambda _: self._under_way.pop(request.name))
        began = self._clock.monotonic()
        answer = await self._fate(outcome, count, withdraw=lambda: lane.withdraw(submission))
        if answer.status is HTTPStatus.ACCEPTED:
            self._durable_seconds.observe(self._clock.monotonic() - began)
            self._records.inc(count)
        return answer

    def _submission(self, request: Request, good: Good) -> Submission:
        count = len(good.records)
        outcome: Future[Outcome] = asyncio.get_running_loop().create_future()
        size = good.size + count * _ENTRY_BYTES
        if request.name == UNNAMED or good.passing:
            return Submission(UNNAMED, good.records, [b""] * count, size, outcome)
        found: Known | None = self._requests.find(request.name)
        taken = found.taken if found is not None else 0
        where = places(count, request.fingerprint, self._clock.now(), skip=taken)
        return Submission(request.name, good.records[taken:], where, size, outcome)

    async def _fate(
        self,
        outcome: "Future[Outcome]",
        records: int,
        *,
        replayed: bool = False,
        withdraw: Callable[[], bool] = lambda: False,
    ) -> Answer:
        """Wait until the records are on disk, or will not be for a while: then take them back if possible."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                found = await asyncio.shield(outcome)
        except TimeoutError:
            found = Outcome.WITHDRAWN if withdraw() else Outcome.UNKNOWN
            if found is Outcome.WITHDRAWN:
                outcome.set_result(found)
        if found is Outcome.ON_DISK:
            return accepted(records, replayed=replayed)
        return {Outcome.NOT_TAKEN: _stopping, Outcome.WITHDRAWN: _no_room}.get(found, _unknown)()


async def _at_once(answer: Answer) -> Answer:
    return answer


def _other_content() -> Answer:
    detail = "this Idempotency-Key came with another request before; nothing of this one was taken"
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def _no_room() -> Answer:
    detail = "the spool has no room at the moment; nothing of the request was taken"
    return retry_later(HTTPStatus.TOO_MANY_REQUESTS, detail)


def _stopping() -> Answer:
    detail = "the producer is stopping; nothing of the request was taken"
    return retry_later(HTTPStatus.SERVICE_UNAVAILABLE, detail)


def _unknown() -> Answer:
    detail = "the records are not known to be on disk; send them again, with the same Idempotency-Key"
    return retry_later(HTTPStatus.SERVICE_UNAVAILABLE, detail)
