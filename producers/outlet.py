"""Puts aggregates into a stream: only failed ones again, each checked against the shard that took it."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from headrace.errors import KinesisRefused, KinesisUnavailable
from headrace.kinesis.aggregator import Fate
from headrace.kinesis.messages import MAX_PUT_RECORDS, USUAL_RECORD_BYTES, PutEntry, PutResult
from headrace.kinesis.port import Kinesis
from headrace.kinesis.shard_map import ShardMap
from headrace.ops.clock import Clock
from producers.announcement import Announcement
from producers.gathering import Gathering
from producers.in_flight import InFlight
from producers.lanes import USUAL_REQUEST_BYTES, Lanes, Parcel
from producers.meter import Meter
from producers.rate import BackOff
from producers.stream_state import StreamState

CONNECTIONS = 4
_UNORDERED_WINDOW = 16
_SMALLEST_SHARE_BYTES = 256 << 10  # what is less is not divided between the connections
_THROTTLED = "ProvisionedThroughputExceededException"


class _Request(NamedTuple):
    """What is under way together, since when; `announces`: the status is its first entry."""

    parcels: list[Parcel]
    announces: bool
    begun: float


class Outlet:
    """One stream as the sender sees it: records in, acknowledged numbers out. For one thread.

    Several requests are under way at once. Where order counts (`keyed`), one aggregate per shard is, and
    what follows waits for its fate. `trouble` says why nothing goes through; empty when all is well.
    """

    def __init__(
        self,
        client: Kinesis,
        stream: str,
        clock: Clock,
        draw: Callable[[], float],
        *,
        keyed: bool,
        connections: int = CONNECTIONS,
        request_bytes: int = USUAL_REQUEST_BYTES,
        name: str = "",
    ) -> None:
        """`connections` requests of `request_bytes` are under way at most; `name` is for the metrics."""
        self._client = client
        self._stream = stream
        self._clock = clock
        self._request_bytes = request_bytes
        self._meter = Meter(name)
        self._gathering = Gathering(clock, keyed=keyed)
        self._lanes = Lanes(draw, window=1 if keyed else _UNORDERED_WINDOW)
        self._in_flight = InFlight(connections)
        self._back_off = BackOff(draw)
        self._announcement = Announcement(draw)
        self._state = StreamState(client, stream)
        self._refused: KinesisRefused | None = None  # while its reason may be that the stream takes less now
        self._doubtful: list[tuple[Parcel, str]] = []  # taken by a shard that the map does not explain
        self._acknowledged: list[tuple[int, ...]] = []
        self.trouble = ""

    @property
    def largest_record(self) -> int:
        """Bytes that a record may have; any thread may ask."""
        return self._state.largest_record

    @property
    def unfit(self) -> deque[tuple[int, bytes]]:
        """Records that have more, by their number: the sender is to add another one in the place of each."""
        return self._gathering.unfit

    @property
    def queued_bytes(self) -> int:
        """What is aggregated and waits to be put."""
        return self._lanes.bytes

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return self._in_flight.count

    @property
    def is_ready(self) -> bool:
        """Whether the shards are known; raises KinesisRefused when there is no such stream."""
        self._keep_up()
        return self._gathering.shard_map is not None

    @property
    def has_announced(self) -> bool:
        """Whether Kinesis has what was announced last."""
        return self._announcement.is_said

    def add(self, first: int, records: Sequence[bytes], keys: Sequence[str | None]) -> None:
        """Take records, numbered from `first` on, into their aggregates; call it only when `is_ready`."""
        full = self._gathering.add(first, records, keys, largest=self.largest_record)
        if full:
            self._lanes.add(full, self._clock.monotonic())

    def flush(self, *, after: float = 0.0) -> None:
        """Let go of aggregates that are not full once they have waited so many seconds."""
        self._lanes.add(self._gathering.flush(after=after), self._clock.monotonic())

    def announce(self, record: bytes, key: str) -> None:
        """Put this record past all queues, in front of the next request; a newer one takes its place."""
        self._announcement.set(PutEntry(record, key))

    def put(self) -> list[tuple[int, ...]]:
        """Begin what can be sent now; returns the numbers that were acknowledged since the last call.

        Raises KinesisRefused.
        """
        self._in_flight.settle()
        self._keep_up()
        self._begin()
        self._meter.look(self._lanes.by_shard(), self._clock.monotonic())
        return self._take_acknowledged()

    def wait(self, seconds: float) -> None:
        """Until a request is answered, or `wake`, or so many seconds."""
        self._in_flight.wait(seconds)

    def wake(self) -> None:
        """End a `wait`; any thread may say so."""
        self._in_flight.wake()

    def close(self) -> list[tuple[int, ...]]:
        """Wait for what is under way, and begin nothing more; returns the numbers that were acknowledged."""
        self._in_flight.close()
        self._meter.close()
        self._in_flight.settle()
        return self._take_acknowledged()

    def wait_seconds(self) -> float:
        """Until it is worth to try again; 0 when there is something to put now."""
        now = self._clock.monotonic()
        announcement = self._announcement.wait_seconds(now)
        waits = [self._lanes.next_try(now)] if announcement is None else [announcement]
        return max(self._back_off.until - now, min(waits), 0.0)

    # -- requests

    def _begin(self) -> None:
        """As many requests as there are connections free and aggregates that may go."""
        now = self._clock.monotonic()
        if self._state.is_due(now) or not self._back_off.is_over(now):
            return
        while self._in_flight.free:
            status = self._announcement.take(now)
            share = max(self._lanes.bytes // self._in_flight.free, _SMALLEST_SHARE_BYTES)
            parcels = self._lanes.request(
                now, records=MAX_PUT_RECORDS - 1, size=min(share, self._request_bytes)
            )
            if not parcels and status is None:
                return
            entries = [parcel.aggregate.entry for parcel in parcels]
            if parcels:
                self._meter.begun(parcels, now)
            request = _Request(parcels, status is not None, now)
            self._in_flight.begin(
                partial(self._request, entries if status is None else [status, *entries]),
                partial(self._settle, request),
                partial(self._on_lost, request),
            )

    def _request(self, entries: Sequence[PutEntry]) -> list[PutResult]:
        """In a thread of its own."""
        with self._meter.request():
            return self._client.put_records(self._stream, entries)

    def _settle(self, request: _Request, results: list[PutResult]) -> None:
        """Acknowledge what was delivered; what failed goes back, in its order."""
        self.trouble = ""
        self._back_off.succeeded()
        now = self._clock.monotonic()
        if request.announces:
            self._on_announced(results[0], now)
            results = results[1:]
        failed: list[Parcel] = []
        for parcel, result in zip(request.parcels, results, strict=True):
            shard_id = result.shard_id or ""
            if result.error_code is not None:
                failed.append(parcel)
                self._on_failed(parcel, result, result.error_code, request.begun)
            elif parcel.aggregate.fate_in(shard_id, self._gathering.shard_map) is Fate.DELIVERED:
                self._acknowledge(parcel, now)
            else:
                self._doubtful.append((parcel, shard_id))
                self._state.is_wrong = True
        self._lanes.put_back(failed)

    def _on_lost(self, request: _Request, error: BaseException) -> None:
        """No answer, or a refusal; which is raised."""
        self._lanes.put_back(request.parcels)
        if request.announces:
            self._announcement.failed(self._clock.monotonic())
        if isinstance(error, KinesisUnavailable):
            self._fail(error, request.begun)
        elif isinstance(error, KinesisRefused) and any(p.size > USUAL_RECORD_BYTES for p in request.parcels):
            self._refused, self._state.is_wrong = error, True
        else:
            raise error

    def _on_announced(self, result: PutResult, now: float) -> None:
        if result.error_code is None:
            self._announcement.taken()
        else:
            self._meter.failed(result.error_code)
            self._announcement.failed(now)

    def _on_failed(self, parcel: Parcel, result: PutResult, code: str, begun: float) -> None:
        now = self._clock.monotonic()
        self._meter.failed(code)
        parcel.lane.back_off.failed(now, begun)
        if code == _THROTTLED:
            parcel.lane.throttles += 1
            parcel.lane.rate.throttled(now)
        else:
            self.trouble = f"Kinesis refuses records: {code} {result.error_message or ''}".strip()

    def _acknowledge(self, parcel: Parcel, now: float) -> None:
        lane = parcel.lane
        self._lanes.delivered(parcel)
        lane.back_off.succeeded()
        lane.rate.accepted(parcel.size, now)
        self._meter.acknowledged(parcel)
        self._acknowledged.append(parcel.aggregate.refs)

    def _take_acknowledged(self) -> list[tuple[int, ...]]:
        acknowledged, self._acknowledged = self._acknowledged, []
        return acknowledged

    # -- the stream: its shards, and how large a record may be

    def _keep_up(self) -> None:
        """Ask for the stream's state where ours is wrong, or old, once nothing is under way.

        Until then nothing new begins, so that no record overtakes another of its key on its new way.
        """
        now = self._clock.monotonic()
        state = self._state
        if not state.is_due(now) or self._in_flight.count or not self._back_off.is_over(now):
            return
        try:
            fresh = state.ask(now, surely=self._refused is not None)
        except (KinesisUnavailable, ValueError) as error:  # ValueError: caught in the middle of a split
            if state.is_wrong:
                self._fail(error, now)
            return
        self.trouble = ""
        self._back_off.succeeded()
        self._put_aside_what_is_unfit()
        self._follow_map(fresh, now)

    def _put_aside_what_is_unfit(self) -> None:
        """What waits and is too large now. Raises the refusal of a request when that was not the reason."""
        larger = self._lanes.take_larger(self._state.largest_record)
        self.unfit.extend((aggregate.refs[0], aggregate.entry.data) for aggregate in larger)
        refused, self._refused = self._refused, None
        if refused is not None and not larger:
            raise refused

    def _follow_map(self, fresh: ShardMap, now: float) -> None:
        """Judge what is in doubt by the new map, and sort by it what waits for shards that are gone."""
        doubtful, self._doubtful = self._doubtful, []
        lost: list[Parcel] = []
        for parcel, shard_id in doubtful:
            if parcel.aggregate.fate_in(shard_id, fresh) is Fate.DELIVERED:
                self._acknowledge(parcel, now)
            else:
                lost.append(parcel)
        self._lanes.put_back(lost)
        filled = self._gathering.take_map(fresh)
        self._lanes.sort_anew(fresh, self._gathering.again, lost)
        self._lanes.add(filled, now)
        if lost:  # the answer and the map may disagree for a while
            self._meter.failed("WrongShard", len(lost))
            self._back_off.failed(now)

    def _fail(self, error: Exception, begun: float) -> None:
        self._meter.failed(type(error).__name__)
        self.trouble = str(error)
        self._back_off.failed(self._clock.monotonic(), begun)
