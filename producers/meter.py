"""What an outlet tells of itself: by input, and by shard, of which the gauges go when it goes."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import NamedTuple

from prometheus_client import Gauge

from headrace.ops import metrics
from producers.lanes import Lane, Parcel

_LOOK_SECONDS = 1.0
_GAUGES = (
    metrics.SHARD_IN_FLIGHT,
    metrics.SHARD_OLDEST_SECONDS,
    metrics.SHARD_RATE_LIMIT,
    metrics.SHARD_WAITING,
)


class _Shard(NamedTuple):
    """Last told of a shard: what it had taken, and how often it had throttled."""

    records: int = 0
    size: int = 0
    throttles: int = 0


class Meter:
    """The metrics of one input's outlet."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._look_at = float("-inf")
        self._shards: dict[str, _Shard] = {}
        self._records = metrics.USER_RECORDS_PUT.labels(name)
        self._aggregates = metrics.KINESIS_RECORDS_PUT.labels(name)
        self._data = metrics.KINESIS_RECORDS_DATA_PUT.labels(name)
        self._retries = metrics.RETRIES_PER_RECORD.labels(name)
        self._buffering = metrics.BUFFERING_SECONDS.labels(name)
        self._request_seconds = metrics.REQUEST_SECONDS.labels(name)
        self._per_aggregate = metrics.USER_RECORDS_PER_KINESIS_RECORD.labels(name)
        self._aggregates_per_request = metrics.KINESIS_RECORDS_PER_REQUEST.labels(name)
        self._records_per_request = metrics.USER_RECORDS_PER_REQUEST.labels(name)

    def request(self) -> AbstractContextManager[object]:
        """Times a request; any thread may."""
        return self._request_seconds.time()

    def begun(self, parcels: Iterable[Parcel], now: float) -> None:
        """A request holds these."""
        aggregates = records = 0
        for parcel in parcels:
            aggregates += 1
            records += len(parcel.aggregate.refs)
            if parcel.tries == 1:
                self._buffering.observe(now - parcel.queued_at)
        self._aggregates_per_request.observe(aggregates)
        self._records_per_request.observe(records)

    def acknowledged(self, parcel: Parcel) -> None:
        """Kinesis has it."""
        records = len(parcel.aggregate.refs)
        self._records.inc(records)
        self._aggregates.inc()
        self._data.inc(parcel.size)
        self._retries.observe(parcel.tries - 1)
        self._per_aggregate.observe(records)

    def failed(self, code: str, count: int = 1) -> None:
        """Entries, or a request."""
        metrics.PUT_ERRORS.labels(self._name, code).inc(count)

    def look(self, lanes: Iterable[tuple[str, Lane]], now: float) -> None:
        """Tell how the shards are, once a second; of those that are gone the gauges go."""
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        before, self._shards = self._shards, {}
        for shard, lane in lanes:
            self._shards[shard] = self._tell(shard, lane, before.get(shard, _Shard()), now)
        for gone in before.keys() - self._shards.keys():
            self._forget(gone)

    def close(self) -> None:
        """The gauges go."""
        for shard in self._shards:
            self._forget(shard)
        self._shards = {}

    def _tell(self, shard: str, lane: Lane, told: _Shard, now: float) -> _Shard:
        labels = (self._name, shard)
        present = _Shard(lane.records, lane.bytes, lane.throttles)
        metrics.SHARD_RECORDS_PUT.labels(*labels).inc(present.records - told.records)
        metrics.SHARD_DATA_PUT.labels(*labels).inc(present.size - told.size)
        metrics.SHARD_THROTTLES.labels(*labels).inc(present.throttles - told.throttles)
        metrics.SHARD_IN_FLIGHT.labels(*labels).set(len(lane.under_way))
        metrics.SHARD_WAITING.labels(*labels).set(sum(parcel.size for parcel in lane.queue))
        metrics.SHARD_OLDEST_SECONDS.labels(*labels).set(now - lane.oldest(now))
        if lane.rate.limit is not None:
            metrics.SHARD_RATE_LIMIT.labels(*labels).set(lane.rate.limit)
        else:
            _remove(metrics.SHARD_RATE_LIMIT, *labels)
        return present

    def _forget(self, shard: str) -> None:
        for metric in _GAUGES:
            _remove(metric, self._name, shard)


def _remove(metric: Gauge, *labels: str) -> None:
    try:
        metric.remove(*labels)
    except KeyError:
        return  # it was not there
