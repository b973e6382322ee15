"""Puts records on a stream until each is acknowledged: only the failed ones again, with pauses."""

import random
from collections import deque
from collections.abc import Iterator, Sequence
from hashlib import sha256

from headrace.errors import HaltError, HeadraceError, KinesisUnavailable
from headrace.kinesis.faults import FATES
from headrace.kinesis.messages import MAX_PUT_RECORDS, PutEntry, PutResult
from headrace.kinesis.port import Kinesis
from headrace.ops.clock import Clock
from headrace.ops.shutdown import Shutdown
from headrace.schemas.codec import decode
from headrace.schemas.partition_keys import key_reader
from headrace.schemas.verdict import Event

MAX_REQUEST_BYTES = 4 << 20  # of data and keys; some services take no more than 5 MiB
PATIENCE_SECONDS = 120.0  # without one record being acknowledged
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0

_keys_of = key_reader(None)


def entry_of(record: bytes) -> PutEntry:
    """The record with its partition key: its type's field where it has one, else made from its number.

    Each goes alone, not in an aggregate: one that delivery failed on as a whole must not come back whole.
    """
    event = decode(record)
    key = _keys_of([record])[0] if isinstance(event, Event) else None
    if key is None:
        number = f"{event.source}#{int(event.sequence or 0)}".encode() if event.source else record
        key = sha256(number).hexdigest()
    return PutEntry(record, key)


class Putter:
    """Puts batches; a stop is heeded between two requests."""

    def __init__(
        self, kinesis: Kinesis, clock: Clock, stop: Shutdown, *, dice: random.Random | None = None
    ) -> None:
        self._kinesis = kinesis
        self._clock = clock
        self._stop = stop
        self._dice = dice or random.Random()  # noqa: S311  spreads retries, guards nothing

    def put(self, stream: str, entries: Sequence[PutEntry]) -> Iterator[int]:
        """Put them; yields the index of each entry as soon as it is acknowledged.

        Ends early on a stop. Raises KinesisRefused and its kinds, and KinesisUnavailable after
        PATIENCE_SECONDS in which none was acknowledged.
        """
        waiting = deque(range(len(entries)))
        pause, give_up = _FIRST_PAUSE, self._clock.monotonic() + PATIENCE_SECONDS
        while waiting and not self._stop.requested():
            chosen = _request(entries, waiting)
            acknowledged, trouble = self._ask(stream, [entries[index] for index in chosen])
            for place, index in enumerate(chosen):
                if place in acknowledged:
                    yield index
                else:
                    waiting.append(index)
            if isinstance(trouble, HaltError):
                raise trouble
            if acknowledged:
                give_up = self._clock.monotonic() + PATIENCE_SECONDS
            if trouble is None:
                pause = _FIRST_PAUSE
                continue
            if self._clock.monotonic() >= give_up:
                raise KinesisUnavailable(f"nothing was taken for {PATIENCE_SECONDS:g} s: {trouble}")
            self._wait(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)

    def _ask(self, stream: str, entries: Sequence[PutEntry]) -> tuple[set[int], HeadraceError | None]:
        """One request: which entries were acknowledged, and what is wrong with another."""
        try:
            results = self._kinesis.put_records(stream, entries)
        except HeadraceError as error:
            return set(), error
        acknowledged = {place for place, result in enumerate(results) if result.error_code is None}
        faults = [_fault(result) for result in results if result.error_code is not None]
        halting = (fault for fault in faults if isinstance(fault, HaltError))
        return acknowledged, next(halting, faults[0] if faults else None)

    def _wait(self, pause: float) -> None:
        """Up to the pause, by chance: those that were throttled together do not come back together."""
        until = self._clock.monotonic() + pause * self._dice.uniform(0.5, 1.0)
        while (left := until - self._clock.monotonic()) > 0 and not self._stop.requested():
            self._clock.sleep(min(left, 0.1))


def _fault(result: PutResult) -> HeadraceError:
    kind = FATES.get(result.error_code or "", KinesisUnavailable)
    return kind(f"Kinesis PutRecords: {result.error_code}: {result.error_message}")


def _request(entries: Sequence[PutEntry], waiting: deque[int]) -> list[int]:
    """Take from the front what one request holds, at least one entry."""
    chosen: list[int] = []
    size = 0
    while waiting and len(chosen) < MAX_PUT_RECORDS:
        size += entries[waiting[0]].size
        if chosen and size > MAX_REQUEST_BYTES:
            break
        chosen.append(waiting.popleft())
    return chosen
