"""One lane per shard: aggregates wait in it in order, and a later one never overtakes one that is retried."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from headrace.kinesis.aggregator import Aggregate
from headrace.kinesis.messages import MAX_PUT_RECORDS
from headrace.kinesis.shard_map import ShardMap
from producers.rate import BackOff, ShardRate

USUAL_REQUEST_BYTES, MAX_REQUEST_BYTES = 5 << 20, 10 << 20
"""The API takes 10 MiB; emulators and the KPL stop at 5. A record that is larger goes in a request alone."""


class Lane:
    """The way to one shard: what waits, what is under way, what the shard has taken or throttled so far."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self.queue: deque[Parcel] = deque()
        self.rate = ShardRate()
        self.back_off = BackOff(draw)
        self.under_way: set[Parcel] = set()
        self.records = 0
        self.bytes = 0
        self.throttles = 0

    def oldest(self, now: float) -> float:
        """When the oldest of what waits or is under way was queued."""
        first = self.queue[0].queued_at if self.queue else now
        return min((parcel.queued_at for parcel in self.under_way), default=first)


@dataclass(slots=True, eq=False)
class Parcel:
    """An aggregate in its lane, queued at that time, that so many requests have held."""

    lane: Lane
    aggregate: Aggregate[int]
    queued_at: float
    tries: int = 0

    @property
    def size(self) -> int:
        """The bytes that count against the limits."""
        return self.aggregate.entry.size


class Lanes:
    """All lanes of a stream; `bytes` is what waits in them.

    `window` is how many aggregates of one shard may be under way: 1 where order counts, since an entry of
    PutRecords may fail while the next succeeds.
    """

    def __init__(self, draw: Callable[[], float], *, window: int) -> None:
        self._draw = draw
        self._window = window
        self._lanes: dict[str | None, Lane] = {}
        self._turn = 0
        self.bytes = 0

    def add(self, aggregates: Iterable[Aggregate[int]], now: float) -> None:
        """Queue new aggregates."""
        for aggregate in aggregates:
            lane = self._lane(aggregate.shard_id)
            lane.queue.append(Parcel(lane, aggregate, now))
            self.bytes += aggregate.entry.size

    def request(
        self, now: float, *, records: int = MAX_PUT_RECORDS, size: int = USUAL_REQUEST_BYTES
    ) -> list[Parcel]:
        """What may be sent now; the lanes take turns. It is under way until delivered or put back."""
        lanes = list(self._lanes.values())
        self._turn += 1
        turn = self._turn % len(lanes) if lanes else 0
        asked = lanes[turn:] + lanes[:turn]
        parcels: list[Parcel] = []
        taken = 0
        while asked:
            asked = [lane for lane in asked if self._may_send(lane, now)]
            for lane in asked:
                following = lane.queue[0].size
                if len(parcels) == records or (parcels and taken + following > size):
                    self.bytes -= taken
                    return parcels
                taken += following
                parcels.append(self._take(lane))
        self.bytes -= taken
        return parcels

    def delivered(self, parcel: Parcel) -> None:
        """It is with Kinesis."""
        lane = parcel.lane
        lane.under_way.remove(parcel)
        lane.records += 1
        lane.bytes += parcel.size

    def put_back(self, parcels: Iterable[Parcel]) -> None:
        """Parcels that were not delivered, in the order in which they were requested: they go first."""
        for parcel in reversed(list(parcels)):
            parcel.lane.under_way.remove(parcel)
            parcel.lane.queue.appendleft(parcel)
            self.bytes += parcel.size

    def sort_anew(
        self,
        shard_map: ShardMap,
        again: Callable[[Aggregate[int]], list[Aggregate[int]]],
        lost: Iterable[Parcel],
    ) -> None:
        """Follow a new map: what waits for a shard that is gone, and what was lost, is aggregated again.

        Nothing may be under way: what failed must be sent before what follows it. Lost parcels are back in
        their lanes already.
        """
        again_ids = {id(parcel) for parcel in lost}
        waiting = [
            (parcel, shard_map.find(shard_id or "") is not None and id(parcel) not in again_ids)
            for shard_id, lane in self._lanes.items()
            for parcel in lane.queue
        ]
        self._lanes = {
            shard_id: lane for shard_id, lane in self._lanes.items() if shard_map.find(shard_id or "")
        }
        for lane in self._lanes.values():
            lane.queue.clear()
        self.bytes = 0
        for parcel, stays in waiting:
            if stays:
                parcel.lane.queue.append(parcel)
                self.bytes += parcel.size
            else:
                self.add(again(parcel.aggregate), parcel.queued_at)

    def take_larger(self, largest: int) -> list[Aggregate[int]]:
        """Take out what waits and holds more bytes of data; each of them is a record alone."""
        larger: list[Aggregate[int]] = []
        for lane in self._lanes.values():
            found = [parcel for parcel in lane.queue if len(parcel.aggregate.entry.data) > largest]
            for parcel in found:
                lane.queue.remove(parcel)
                self.bytes -= parcel.size
                larger.append(parcel.aggregate)
        return larger

    def by_shard(self) -> Iterator[tuple[str, Lane]]:
        """Each shard's name and lane."""
        return ((shard_id, lane) for shard_id, lane in self._lanes.items() if shard_id is not None)

    def next_try(self, now: float) -> float:
        """Seconds until a lane that has something may be tried; 0 when one may be now."""
        waits = [
            max(lane.back_off.until - now, 0.0)
            for lane in self._lanes.values()
            if lane.queue and len(lane.under_way) < self._window
        ]
        return min(waits, default=0.0)

    def __bool__(self) -> bool:
        return any(lane.queue for lane in self._lanes.values())

    def _may_send(self, lane: Lane, now: float) -> bool:
        free = lane.queue and len(lane.under_way) < self._window
        return bool(free) and lane.back_off.is_over(now) and lane.rate.allows(now)

    def _take(self, lane: Lane) -> Parcel:
        parcel = lane.queue.popleft()
        parcel.tries += 1
        lane.under_way.add(parcel)
        lane.rate.sent(parcel.size)
        return parcel

    def _lane(self, shard_id: str | None) -> Lane:
        lane = self._lanes.get(shard_id)
        if lane is None:
            lane = self._lanes[shard_id] = Lane(self._draw)
        return lane
