"""The newest records of a stream and those that follow, taken out of their aggregates; reads gently."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from headrace.errors import IteratorExpired, KinesisNotFound, RetryError
from headrace.kinesis.aggregation import deaggregate
from headrace.kinesis.messages import GetRecordsAnswer, Record
from headrace.kinesis.port import Kinesis
from headrace.ops.clock import Clock

_STEPS = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 600, 3600, 6 * 3600, 24 * 3600))
_PAUSE_SECONDS, _SHORT_PAUSE_SECONDS = 1.0, 0.25
"""Between two looks at a shard, and two pages of it: it has five reads a second, which the job needs too."""

_PATIENCE = 20  # attempts in a row


class Seen(NamedTuple):
    """One user record: its bytes, and where and when it arrived; `sub` is its place in its aggregate."""

    arrived: datetime
    shard: str
    sequence: str
    sub: int
    data: bytes


Wanted = Callable[[Seen], bool]


@dataclass
class _Reader:
    """A place in one shard; `since` None is its beginning. `over`: the shard is closed, and read."""

    shard: str
    since: datetime | None
    last: str | None = None
    iterator: str | None = None
    over: bool = False


class Tail:
    """One stream, all of its shards or one."""

    def __init__(self, kinesis: Kinesis, stream: str, clock: Clock, *, shard: str | None = None) -> None:
        self._kinesis = kinesis
        self._stream = stream
        self._clock = clock
        self._only = shard
        self._readers: dict[str, _Reader] = {}

    def newest(self, count: int, wanted: Wanted) -> list[Seen]:
        """The last `count` wanted records in the order of their arrival; then `follow` goes on behind them.

        Looks back in growing steps, each no further than it must, to the beginning of the stream. Raises
        KinesisNotFound when there is no such stream, or no such shard.
        """
        now = self._now()
        most = max(count, 1)  # for 0 too the first look goes to the tip, so that `follow` begins there
        until: datetime | None = None
        found: list[Seen] = []
        for since in (*(now - step for step in _STEPS), None):
            readers = [_Reader(shard, since) for shard in self._shards()]
            if until is None:
                self._readers = {reader.shard: reader for reader in readers}
            older = (seen for reader in readers for seen in self._until(reader, until) if wanted(seen))
            found = heapq.nlargest(most, [*found, *heapq.nlargest(most, older, key=_age)], key=_age)
            if len(found) >= count:
                break
            until = since
        return sorted(found, key=_age)[max(len(found) - count, 0) :]

    def follow(self, wanted: Wanted) -> Iterator[Seen]:
        """What arrives from then on, also in the shards that others are split or merged into.

        It ends only when every shard that it reads is closed.
        """
        while readers := [reader for reader in self._readers.values() if not reader.over]:
            for reader in readers:
                yield from filter(wanted, _taken_apart(reader.shard, self._read(reader)))
                if reader.over:
                    self._adopt()
            self._clock.sleep(_PAUSE_SECONDS)

    def _now(self) -> datetime:
        """The service's clock, by which arrivals are told; ours may be wrong."""
        iterator = self._kinesis.get_shard_iterator(self._stream, self._shards()[0], "LATEST")
        return self._kinesis.get_records(iterator, 1).date

    def _shards(self) -> list[str]:
        shards = [shard.shard_id for shard in self._kinesis.list_shards(self._stream)]
        if self._only is None:
            return shards
        if self._only not in shards:
            raise KinesisNotFound(f"stream {self._stream} has no shard {self._only}, but {', '.join(shards)}")
        return [self._only]

    def _adopt(self) -> None:
        """The shards that a closed one went on in, from their beginning."""
        for shard in self._shards():
            self._readers.setdefault(shard, _Reader(shard, None))

    def _until(self, reader: _Reader, end: datetime | None) -> Iterator[Seen]:
        """What the shard holds up to the end, or up to its tip."""
        while not reader.over:
            answer = self._read(reader)
            for seen in _taken_apart(reader.shard, answer):
                if end is not None and seen.arrived >= end:
                    return
                yield seen
            if answer.millis_behind_latest == 0:
                return
            self._clock.sleep(_SHORT_PAUSE_SECONDS)

    def _read(self, reader: _Reader) -> GetRecordsAnswer:
        """One answer; what may succeed later is tried again, with pauses. Raises what lasts."""
        for attempt in range(_PATIENCE):
            try:
                iterator = reader.iterator or self._open(reader)
                answer = self._kinesis.get_records(iterator).answer
            except RetryError as error:
                if attempt == _PATIENCE - 1:
                    raise
                if isinstance(error, IteratorExpired):
                    reader.iterator = None
                self._clock.sleep(_PAUSE_SECONDS)
            else:
                break
        if answer.records:
            reader.last = answer.records[-1].sequence_number
        reader.iterator, reader.over = answer.next_shard_iterator, answer.next_shard_iterator is None
        return answer

    def _open(self, reader: _Reader) -> str:
        if reader.last is not None:
            return self._kinesis.get_shard_iterator(
                self._stream, reader.shard, "AFTER_SEQUENCE_NUMBER", sequence_number=reader.last
            )
        if reader.since is not None:
            return self._kinesis.get_shard_iterator(
                self._stream, reader.shard, "AT_TIMESTAMP", timestamp=reader.since
            )
        return self._kinesis.get_shard_iterator(self._stream, reader.shard, "TRIM_HORIZON")


def _age(seen: Seen) -> tuple[datetime, int, int]:
    return seen.arrived, int(seen.sequence), seen.sub


def _taken_apart(shard: str, answer: GetRecordsAnswer) -> Iterator[Seen]:
    for record in answer.records:
        yield from _apart(shard, record)


def _apart(shard: str, record: Record) -> Iterator[Seen]:
    arrived = datetime.fromtimestamp(record.arrival_ms / 1000, UTC)
    inside = deaggregate(record.data)
    datas = [record.data] if inside is None else [each.data for each in inside]
    for sub, data in enumerate(datas):
        yield Seen(arrived, shard, record.sequence_number, sub, data)
