"""One lane per shard: aggregates wait in it in order, and a later one never overtakes one that is retried."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from headrace.kinesis.aggregator import Aggregate
from headrace.kinesis.messages import MAX_PUT_RECORDS
from headrace.kinesis.shard_map import ShardMap
from producers.rate import BackOff, ShardRate

MAX_REQUEST_BYTES = 5 << 20  # the API takes 10 MiB; emulators and the KPL stop here


class Lane:
    """The way to one shard."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self.queue: deque[Aggregate[int]] = deque()
        self.rate = ShardRate()
        self.back_off = BackOff(draw)


class Parcel(NamedTuple):
    """An aggregate that is in a request, and the lane that it came from."""

    lane: Lane
    aggregate: Aggregate[int]


class Lanes:
    """All lanes of a stream; `bytes` is what waits in them.

    `window` is how many aggregates of one shard a request may hold: 1 where order counts, since an entry of
    PutRecords may fail while the next succeeds.
    """

    def __init__(self, draw: Callable[[], float], *, window: int) -> None:
        self._draw = draw
        self._window = window
        self._lanes: dict[str | None, Lane] = {}
        self._turn = 0
        self.bytes = 0

    def add(self, aggregates: Iterable[Aggregate[int]]) -> None:
        """Queue new aggregates."""
        for aggregate in aggregates:
            self._lane(aggregate.shard_id).queue.append(aggregate)
            self.bytes += aggregate.entry.size

    def request(self, now: float) -> list[Parcel]:
        """What may be sent now; the lanes take turns to be first. It is out of the lanes until settled."""
        lanes = list(self._lanes.values())
        self._turn += 1
        parcels: list[Parcel] = []
        size = 0
        for index in range(len(lanes)):
            lane = lanes[(index + self._turn) % len(lanes)]
            if not lane.queue or not lane.back_off.is_over(now):
                continue
            for _ in range(min(self._window, len(lane.queue))):
                entry = lane.queue[0].entry
                full = len(parcels) == MAX_PUT_RECORDS or (parcels and size + entry.size > MAX_REQUEST_BYTES)
                if full or not lane.rate.allows(now):
                    break
                size += entry.size
                lane.rate.sent(entry.size)
                parcels.append(Parcel(lane, lane.queue.popleft()))
        self.bytes -= size
        return parcels

    def put_back(self, parcels: Iterable[Parcel]) -> None:
        """Parcels that were not delivered, in the order in which they were requested: they go first."""
        for lane, aggregate in reversed(list(parcels)):
            lane.queue.appendleft(aggregate)
            self.bytes += aggregate.entry.size

    def sort_anew(
        self,
        shard_map: ShardMap,
        again: Callable[[Aggregate[int]], list[Aggregate[int]]],
        lost: Iterable[Parcel] = (),
    ) -> None:
        """Follow a new map: what waits for a shard that is gone, and what was lost, is aggregated again.

        Lost parcels are back in their lanes already.
        """
        lost_ids = {id(parcel.aggregate) for parcel in lost}
        waiting = [
            (aggregate, shard_map.find(shard_id or "") is not None and id(aggregate) not in lost_ids)
            for shard_id, lane in self._lanes.items()
            for aggregate in lane.queue
        ]
        self._lanes = {
            shard_id: lane for shard_id, lane in self._lanes.items() if shard_map.find(shard_id or "")
        }
        for lane in self._lanes.values():
            lane.queue.clear()
        self.bytes = 0
        for aggregate, stays in waiting:
            self.add([aggregate] if stays else again(aggregate))

    def next_try(self, now: float) -> float:
        """Seconds until a lane that has something may be tried; 0 when one may be now."""
        waits = [max(lane.back_off.until - now, 0.0) for lane in self._lanes.values() if lane.queue]
        return min(waits, default=0.0)

    def __bool__(self) -> bool:
        return any(lane.queue for lane in self._lanes.values())

    def _lane(self, shard_id: str | None) -> Lane:
        lane = self._lanes.get(shard_id)
        if lane is None:
            lane = self._lanes[shard_id] = Lane(self._draw)
        return lane
