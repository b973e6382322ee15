"""The live part of the reader in the driver-side worker: which offset comes next."""

import threading
from pathlib import Path

import msgspec

from headrace.errors import RetryError, SettingsError
from headrace.ops.clock import Clock
from stream_jobs.source.admission import Limits
from stream_jobs.source.cache import ChunkCache
from stream_jobs.source.connection import StreamConnection
from stream_jobs.source.offsets import TRIM_HORIZON, StreamOffset, begin_after
from stream_jobs.source.options import LATEST, SourceOptions
from stream_jobs.source.prefetch import Pace, Prefetcher, ReaderState
from stream_jobs.source.shards import Stream, from_latest

_FIRST_WAIT = 2.0  # the first batch may wait so long for every shard's first answer
_STATUS_EVERY = 0.5
_POLL = 0.02
_DATE_RESOLUTION = 999_999  # microseconds: the Date header knows the second only


class ReadAhead:
    """Begins to prefetch at the first offset that it is asked to go on from."""

    def __init__(self, options: SourceOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._prefetcher: Prefetcher | None = None
        self._cache: ChunkCache | None = None
        self._told: StreamOffset | None = None  # the offset that Spark heard last
        self._ends = False
        self._until: int | None = None  # microseconds since 1970
        self._moved_at = clock.monotonic()
        self._reporting = threading.Lock()
        self._status_due = float("-inf")
        self._failures = 0
        self._retry_at = float("-inf")

    @property
    def cache(self) -> ChunkCache | None:
        """Where the chunks are, once there are some."""
        return self._cache

    def end_at_tip(self) -> None:
        """Give what the stream holds at the first look, and then nothing more (Trigger.AvailableNow)."""
        self._ends = True

    def state(self) -> ReaderState:
        """How the reading goes."""
        return self._prefetcher.state() if self._prefetcher else ReaderState("", {})

    def next_offset(self, after: StreamOffset, limits: Limits) -> StreamOffset:
        """Up to where a batch that starts at `after` may read; `after` itself while there is nothing new.

        While Kinesis cannot be reached there is nothing new; the status file says why.
        Raises what ends the reading: StreamRecreated, RecordsTrimmed, KinesisRefused, SettingsError.
        """
        begun = self._told != after or self._prefetcher is None
        if begun and not self._begin(after):
            return after
        assert self._prefetcher is not None
        now = self._clock.monotonic()
        idle = self._options.markers and now - self._moved_at >= self._options.idle_seconds and not self._ends
        offset = self._prefetcher.advance(limits, idle=idle or begun, until=self._until)
        while offset is None and self._until is not None and not self._prefetcher.reached(self._until):
            self._clock.sleep(_POLL)
            offset = self._prefetcher.advance(limits, idle=False, until=self._until)
        if offset is not None:
            self._moved_at, self._told = now, offset
        return self._told or after

    def release(self, offset: StreamOffset) -> None:
        """Drop the cached chunks up to an offset."""
        if self._cache is not None:
            for name, shard in offset.shards.items():
                self._cache.drop(name, shard.position)

    def close(self) -> None:
        """Stop reading, and remove the cache."""
        if self._prefetcher is not None:
            self._prefetcher.stop()
        if self._cache is not None:
            self._cache.close()

    def _begin(self, after: StreamOffset) -> bool:
        """Connect and read onward from `after`; False when Kinesis cannot be reached yet."""
        if self._clock.monotonic() < self._retry_at:
            return False
        try:
            connection = self._connect()
            stream = connection.describe()
            if self._ends and self._until is None:
                self._until = connection.now_ms() * 1000 + _DATE_RESOLUTION
            offset = after if after.shards else self._first(after, connection, stream)
        except RetryError as error:
            self._failures += 1
            self._retry_at = self._clock.monotonic() + min(5.0, 0.25 * 2.0 ** min(self._failures, 8))
            self._report(ReaderState(str(error), {}))
            return False
        self._failures = 0
        self.close()
        self._cache = ChunkCache.begin(Path(self._options.cache_folder) / f"{stream.name}-{stream.created}")
        self._prefetcher = Prefetcher(
            connection,
            stream,
            offset,
            self._cache,
            self._clock,
            pace=Pace(waiting_bytes=self._options.cache_bytes),
            fail_on_data_loss=self._options.fail_on_data_loss,
            report=self._report,
        )
        self._told = after
        self._prefetcher.wait_for_answers(_FIRST_WAIT)
        return True

    def _connect(self) -> StreamConnection:
        options = self._options
        return StreamConnection.open(
            options.stream, self._clock, endpoint_url=options.endpoint, region=options.region
        )

    def _first(self, initial: StreamOffset, connection: StreamConnection, stream: Stream) -> StreamOffset:
        """Where a new query begins."""
        start = self._options.start
        if start == TRIM_HORIZON:
            return initial
        if start == LATEST:
            return from_latest(stream, connection.now_ms())
        try:
            return begin_after(StreamOffset.from_json(msgspec.json.decode(start)))
        except msgspec.DecodeError as error:
            raise SettingsError(
                f"kinesis.startingPosition is TRIM_HORIZON, LATEST or an offset as JSON, not {start!r}"
            ) from error

    def _report(self, state: ReaderState) -> None:
        """Write the status file, at most twice a second."""
        now = self._clock.monotonic()
        with self._reporting:
            if not self._options.status_file or now < self._status_due:
                return
            self._status_due = now + _STATUS_EVERY
            path = Path(self._options.status_file)
            part = path.with_suffix(".part")
            part.write_bytes(msgspec.json.encode(state))
            part.replace(path)
