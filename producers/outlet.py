"""Puts aggregates into a stream: only failed ones again, each checked against the shard that took it."""

from collections.abc import Callable, Sequence

from headrace.errors import KinesisUnavailable
from headrace.kinesis.aggregation import UserRecord
from headrace.kinesis.aggregator import Aggregate, Aggregator, Fate
from headrace.kinesis.client import KinesisClient
from headrace.kinesis.messages import PutEntry, PutResult, shard_map
from headrace.kinesis.shard_map import ShardMap
from headrace.ops import metrics
from headrace.ops.clock import Clock
from producers.lanes import Lanes, Parcel
from producers.rate import BackOff

_SUSPICIOUS_FAILURES = 5  # of a shard, one after the other: a few are Kinesis' daily life
_THROTTLED = "ProvisionedThroughputExceededException"


class Outlet:
    """One stream as the sender sees it: records in, acknowledged numbers out. For one thread.

    `trouble` says why nothing goes through at the moment; empty when all is well.
    """

    def __init__(
        self, client: KinesisClient, stream: str, clock: Clock, draw: Callable[[], float], *, keyed: bool
    ) -> None:
        self._client = client
        self._stream = stream
        self._clock = clock
        self._aggregator: Aggregator[int] = Aggregator()
        self._lanes = Lanes(draw, window=1 if keyed else 8)
        self._back_off = BackOff(draw)
        self._map_is_stale = True
        self._gathering = 0
        self._gathering_since = 0.0
        self.trouble = ""

    @property
    def queued_bytes(self) -> int:
        """What is aggregated and waits to be put."""
        return self._lanes.bytes

    @property
    def is_ready(self) -> bool:
        """Whether the shards are known; raises KinesisRefused when there is no such stream."""
        if self._map_is_stale and self._back_off.is_over(self._clock.monotonic()):
            fresh = self._ask_for_map()
            if fresh is not None:
                self.trouble = ""
                self._back_off.succeeded()
                self._follow_map(fresh, [])
        return self._aggregator.shard_map is not None

    def add(self, number: int, record: bytes, key: str | None) -> None:
        """Take a record into its aggregate; call it only when `is_ready`."""
        if key is None:
            full = self._aggregator.add_unkeyed(record, number)
        else:
            full = self._aggregator.add(UserRecord(key, None, record), number)
        if not self._gathering:
            self._gathering_since = self._clock.monotonic()
        self._gathering += 1
        self._queue(full)

    def flush(self, *, after: float = 0.0) -> None:
        """Let go of aggregates that are not full once they have waited so many seconds."""
        if self._gathering and self._clock.monotonic() - self._gathering_since >= after:
            self._queue(self._aggregator.flush())

    def put(self) -> list[tuple[int, ...]] | None:
        """One request: the numbers that it acknowledged; None when nothing can be sent now."""
        now = self._clock.monotonic()
        if not self._back_off.is_over(now):
            return None
        parcels = self._lanes.request(now)
        if not parcels:
            return None
        try:
            results = self._request([parcel.aggregate.entry for parcel in parcels])
        except KinesisUnavailable as error:
            self._lanes.put_back(parcels)
            self._fail(error)
            return []
        self.trouble = ""
        self._back_off.succeeded()
        return self._settle(parcels, results)

    def put_alone(self, record: bytes, key: str) -> bool:
        """Put one record past all queues; whether Kinesis took it."""
        if not self._back_off.is_over(self._clock.monotonic()):
            return False
        try:
            (result,) = self._request([PutEntry(record, key)])
        except KinesisUnavailable as error:
            self._fail(error)
            return False
        return result.error_code is None

    def wait_seconds(self) -> float:
        """Until it is worth to try again; 0 when there is something to put now."""
        now = self._clock.monotonic()
        return max(self._back_off.until - now, self._lanes.next_try(now), 0.0)

    def _request(self, entries: Sequence[PutEntry]) -> list[PutResult]:
        with metrics.REQUEST_SECONDS.time():
            return self._client.put_records(self._stream, entries)

    def _settle(self, parcels: list[Parcel], results: list[PutResult]) -> list[tuple[int, ...]]:
        """What was acknowledged; the rest goes back, in its order, before the lanes follow a new map."""
        delivered: list[Parcel] = []
        doubtful: list[tuple[Parcel, str]] = []
        now = self._clock.monotonic()
        for parcel, result in zip(parcels, results, strict=True):
            shard_id = result.shard_id or ""
            if result.error_code is not None:
                self._on_failed(parcel, result, now)
            elif parcel.aggregate.fate_in(shard_id, self._aggregator.shard_map) is Fate.DELIVERED:
                delivered.append(parcel)
            else:
                doubtful.append((parcel, shard_id))
        fresh = self._ask_for_map() if doubtful else None
        lost = [p for p, shard_id in doubtful if p.aggregate.fate_in(shard_id, fresh) is not Fate.DELIVERED]
        delivered += [p for p, shard_id in doubtful if p.aggregate.fate_in(shard_id, fresh) is Fate.DELIVERED]
        done = {id(parcel) for parcel in delivered}
        self._lanes.put_back([parcel for parcel in parcels if id(parcel) not in done])
        if fresh is not None:
            self._follow_map(fresh, lost)
        return [self._acknowledge(parcel, now) for parcel in delivered]

    def _acknowledge(self, parcel: Parcel, now: float) -> tuple[int, ...]:
        lane, aggregate = parcel
        lane.back_off.succeeded()
        lane.rate.accepted(aggregate.entry.size, now)
        metrics.USER_RECORDS_PUT.inc(len(aggregate.refs))
        metrics.KINESIS_RECORDS_PUT.inc()
        metrics.USER_RECORDS_DATA_PUT.inc(aggregate.entry.size)
        return aggregate.refs

    def _on_failed(self, parcel: Parcel, result: PutResult, now: float) -> None:
        metrics.PUT_ERRORS.labels(code=result.error_code).inc()
        parcel.lane.back_off.failed(now)
        if result.error_code == _THROTTLED:
            parcel.lane.rate.throttled(now)
        else:
            self.trouble = (
                f"Kinesis refuses records: {result.error_code} {result.error_message or ''}".strip()
            )

    def _ask_for_map(self) -> ShardMap | None:
        """The stream's shards as they are now; None without an answer: the old map stays a while."""
        try:
            fresh = shard_map(self._client.list_shards(self._stream))
        except (KinesisUnavailable, ValueError) as error:  # ValueError: caught in the middle of a split
            self._map_is_stale = True
            self._fail(error)
            return None
        self._map_is_stale = False
        return fresh

    def _follow_map(self, fresh: ShardMap, lost: list[Parcel]) -> None:
        """Sort by the new map what waits for shards that are gone, and what KCL would throw away."""
        filled = self._aggregator.take_map(fresh)
        self._lanes.sort_anew(fresh, self._aggregator.again, lost)
        self._queue(filled)
        if lost:  # the answer and the map may disagree for a while
            metrics.PUT_ERRORS.labels(code="WrongShard").inc(len(lost))
            self._back_off.failed(self._clock.monotonic())

    def _queue(self, aggregates: list[Aggregate[int]]) -> None:
        self._lanes.add(aggregates)
        self._gathering -= sum(len(aggregate.refs) for aggregate in aggregates)

    def _fail(self, error: Exception) -> None:
        metrics.PUT_ERRORS.labels(code=type(error).__name__).inc()
        self.trouble = str(error)
        self._back_off.failed(self._clock.monotonic())
