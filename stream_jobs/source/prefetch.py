"""Reads every shard ahead, once, into the cache, so that a batch's end is known without waiting."""

import threading
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from headrace.errors import HeadraceError, KinesisRefused, RetryError
from headrace.ops.clock import Clock
from stream_jobs.source.admission import Limits, admit
from stream_jobs.source.cache import ChunkCache
from stream_jobs.source.connection import StreamConnection
from stream_jobs.source.feed import Feed
from stream_jobs.source.offsets import ShardOffset, StreamOffset
from stream_jobs.source.shards import Stream, adopt, check_identity, forget_expired

_LONGEST_PAUSE = 5.0
_FIRST_PAUSE = 0.25


class Pace(NamedTuple):
    """How hard to read. GetRecords takes 5 calls per second and shard, shared with other consumers.

    Attributes:
        behind: seconds between two calls on a shard while more is known to wait.
        at_tip: seconds between two calls at the shard's end.
        threads: calls under way at once.
        waiting_bytes: how much may wait in all before reading pauses.
    """

    behind: float = 0.2
    at_tip: float = 0.25
    threads: int = 8
    waiting_bytes: int = 512 << 20


class ShardState(msgspec.Struct, frozen=True):
    """One shard for `/healthz` and `/metrics`; frontier in microseconds since 1970."""

    behind_ms: int
    frontier: int
    waiting_bytes: int


class ReaderState(msgspec.Struct, frozen=True):
    """How the reading goes; `trouble` is empty while Kinesis answers."""

    trouble: str
    shards: dict[str, ShardState]


class Prefetcher:
    """Threads that read the shards of one stream onward from an offset.

    `advance` gives the offset that a batch may go up to. An error that ends the reading is raised there.
    """

    def __init__(
        self,
        connection: StreamConnection,
        stream: Stream,
        offset: StreamOffset,
        cache: ChunkCache,
        clock: Clock,
        *,
        pace: Pace,
        fail_on_data_loss: bool,
        report: Callable[[ReaderState], None] = lambda _state: None,
    ) -> None:
        """Read onward from `offset`, which must be of this stream. Raises StreamRecreated, RecordsTrimmed."""
        check_identity(offset, stream.name, stream.created)
        self._connection = connection
        self._stream = stream
        self._cache = cache
        self._clock = clock
        self._pace = pace
        self._fail_on_data_loss = fail_on_data_loss
        self._report = report
        self._feeds: dict[str, Feed] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._failure: BaseException | None = None
        self._trouble: dict[str, str] = {}
        self.offset = adopt(forget_expired(offset, stream, fail_on_data_loss=fail_on_data_loss), stream)
        self._follow(self.offset)
        for number in range(pace.threads):
            threading.Thread(target=self._run, name=f"fetch-{number}", daemon=True).start()

    def advance(self, limits: Limits, *, idle: bool, until: int | None = None) -> StreamOffset | None:
        """The offset up to which the next batch reads, None when there is nothing to say.

        Shards that close or appear are something to say; with `idle` so is progress without records:
        frontiers that moved while nothing arrived. With `until` (microseconds since 1970) only what arrived
        by then is taken. Raises the error that ended the reading.
        """
        with self._changed:
            if self._failure is not None:
                raise self._failure
            active = {
                name: self._feeds[name] for name, shard in self.offset.shards.items() if not shard.closed
            }
            counts = admit({name: feed.queue(until) for name, feed in active.items()}, limits)
            moved = {name: self._moved(name, counts.get(name, 0)) for name in active}
            shards = {**self.offset.shards, **moved}
            offset = adopt(msgspec.structs.replace(self.offset, shards=shards), self._stream)
            closed = any(shard.closed for shard in moved.values())
            if not (counts or closed or idle or len(offset.shards) > len(shards)):
                return None
            self.offset = offset
            self._changed.notify_all()
            return offset

    def wait_for_answers(self, seconds: float) -> None:
        """Wait until every shard has answered once, at most so long."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._failure or all(feed.answered for feed in self._feeds.values()), seconds
            )

    def reached(self, until: int) -> bool:
        """Whether everything that arrived up to that microsecond has been fetched."""
        with self._changed:
            return all(feed.drained or feed.frontier > until for feed in self._feeds.values())

    def state(self) -> ReaderState:
        """How the reading goes."""
        with self._changed:
            shards = {
                name: ShardState(feed.behind_ms, feed.frontier, feed.waiting_bytes)
                for name, feed in self._feeds.items()
                if not feed.drained
            }
            return ReaderState("; ".join(sorted(set(self._trouble.values()))), shards)

    def stop(self) -> None:
        """Let the threads end; what they are asking now is thrown away."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _moved(self, shard: str, count: int) -> ShardOffset:
        """The shard's offset after `count` records are taken."""
        before, feed = self.offset.shards[shard], self._feeds[shard]
        position, frontier = before.position, before.frontier
        if count:
            position, frontier = feed.take(count)
        if feed.is_empty:
            frontier = feed.frontier
        return msgspec.structs.replace(
            before,
            position=position,
            frontier=max(before.frontier, frontier),
            closed=feed.is_empty and feed.drained,
        )

    def _follow(self, offset: StreamOffset) -> None:
        """Start to read the shards of an offset that are not read yet."""
        for name, shard in offset.shards.items():
            if name not in self._feeds and not shard.closed:
                cursor = self._connection.cursor(
                    name, shard.position, shard.frontier, fail_on_data_loss=self._fail_on_data_loss
                )
                self._feeds[name] = Feed(name, cursor, shard.parents)

    def _run(self) -> None:
        while (feed := self._next_due()) is not None:
            try:
                self._serve(feed)
            except RetryError as error:
                self._put_off(feed, str(error))
            except KinesisRefused as error:
                self._refused(feed, error)
            except BaseException as error:  # noqa: BLE001  raised again by `advance`, where Spark sees it
                self._fail(error)
            self._report(self.state())

    def _next_due(self) -> Feed | None:
        """Wait for a shard's turn; None when stopped."""
        with self._changed:
            while not self._stopped and self._failure is None:
                share = self._pace.waiting_bytes // max(1, sum(not f.drained for f in self._feeds.values()))
                free = [
                    feed
                    for feed in self._feeds.values()
                    if not (feed.busy or feed.drained) and (feed.is_empty or feed.waiting_bytes < share)
                ]
                first = min(free, key=lambda feed: feed.due, default=None)
                pause = None if first is None else first.due - self._clock.monotonic()
                if first is not None and pause is not None and pause <= 0:
                    first.busy = True
                    return first
                self._changed.wait(pause)
            return None

    def _serve(self, feed: Feed) -> None:
        after = feed.cursor.position
        fetched = feed.cursor.fetch()
        trouble = ""
        if fetched.records is not None:
            try:
                self._cache.put(feed.shard, after, fetched.records)
            except OSError as error:  # the tasks will ask Kinesis themselves
                trouble = f"the cache cannot be written: {error}"
        with self._changed:
            feed.store(fetched)
        stream = self._connection.describe() if fetched.drained else None
        with self._changed:
            feed.failures = 0
            self._trouble.pop(feed.shard, None)
            if trouble:
                self._trouble[feed.shard] = trouble
            if stream is not None:
                check_identity(self.offset, stream.name, stream.created)
                feed.drained = True
                self._stream = stream
                self._follow(adopt(self._fetched_offset(), stream))
            pause = self._pace.behind if fetched.behind_ms else self._pace.at_tip
            self._release(feed, pause)

    def _fetched_offset(self) -> StreamOffset:
        """How far the shards have been fetched, as an offset, to see which children may be read."""
        shards = dict(self.offset.shards)
        for name, feed in self._feeds.items():
            shards[name] = ShardOffset(
                origin=feed.origin,
                position=feed.cursor.position,
                frontier=feed.frontier,
                closed=feed.drained,
                parents=feed.parents,
            )
        return msgspec.structs.replace(self.offset, shards=shards)

    def _put_off(self, feed: Feed, trouble: str) -> None:
        with self._changed:
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**feed.failures)
            feed.failures = min(feed.failures + 1, 16)
            self._trouble[feed.shard] = trouble
            self._release(feed, pause)

    def _release(self, feed: Feed, pause: float) -> None:
        feed.busy = False
        feed.due = self._clock.monotonic() + pause
        self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def _refused(self, feed: Feed, error: KinesisRefused) -> None:
        """A refusal in the middle of a stream: the stream may be another one by now, or the shard gone."""
        try:
            stream = self._connection.describe()
            check_identity(self.offset, stream.name, stream.created)
            if any(listed.shard == feed.shard for listed in stream.shards):
                raise error
            forget_expired(self._fetched_offset(), stream, fail_on_data_loss=self._fail_on_data_loss)
            with self._changed:
                feed.drained = True
                self._stream = stream
                self._follow(adopt(self._fetched_offset(), stream))
                self._release(feed, 0.0)
        except RetryError as away:
            self._put_off(feed, str(away))
        except HeadraceError as cause:
            self._fail(cause)
