"""One delivery stream: read, transform, buffer, write, and only then remember how far it came.

As the service, it delivers at least once: what was written after the last checkpoint is written again after
a crash. While a service is away nothing is dropped: the step fails, and the next one goes on where it was.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from headrace.ops.clock import Clock
from headrace.schemas.archive import TRANSFORM_BUFFER_BYTES
from infra.local.delivery.archive_buffer import ArchiveBuffer, ArchiveObject
from infra.local.delivery.records import Outcome, SourceRecord
from infra.local.delivery.transform import Transform


class Source(Protocol):
    """Where records come from; `StreamReader` is one."""

    def read(self) -> Sequence[SourceRecord]:
        """The next records, a shard's in their order; none when there were no more. Raises RetryError."""
        ...


class Written(NamedTuple):
    """What one writing brought to the archive; dropped records are in no object."""

    objects: int
    records: int
    dropped: int
    failures: Mapping[str, int]


class _Sealed(NamedTuple):
    """What is being written, and the position of each shard once it is."""

    positions: Mapping[str, str]
    written: Written
    oldest_ms: int | None


class DeliveryStream:
    """Reads, transforms and writes, a step at a time.

    Args:
        source: the stream, read onward from the checkpoint.
        transform: the function; None delivers the records as they are.
        buffer: what gathers them.
        put: writes an object; raises ArchiveUnavailable or ArchiveRefused.
        save: remembers the position of every shard up to which all is written.
        told: hears what was written.
        clock: the time.
        transform_seconds: how long the first record waits for others of its call.
    """

    def __init__(
        self,
        *,
        source: Source,
        transform: Transform | None,
        buffer: ArchiveBuffer,
        put: Callable[[ArchiveObject], None],
        save: Callable[[Mapping[str, str]], None],
        told: Callable[[Written], None],
        clock: Clock,
        transform_seconds: float,
    ) -> None:
        self._source = source
        self._transform = transform
        self._buffer = buffer
        self._put = put
        self._save = save
        self._told = told
        self._clock = clock
        self._transform_seconds = transform_seconds
        self._waiting: deque[SourceRecord] = deque()
        self._waiting_bytes = 0
        self._waiting_since = 0.0
        self._settled: dict[str, str] = {}
        self._outbox: deque[ArchiveObject] = deque()
        self._sealed: _Sealed | None = None

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest record arrived that is read and not written, in milliseconds since 1970."""
        waiting = self._waiting[0].arrival_ms if self._waiting else None
        sealed = self._sealed.oldest_ms if self._sealed else None
        arrivals = (waiting, self._buffer.oldest_ms, sealed)
        return min((arrival for arrival in arrivals if arrival is not None), default=None)

    def step(self) -> bool:
        """Do what is due, then read on; false when there was nothing new to read.

        Raises RetryError and its kinds, ArchiveRefused and KinesisRefused: call it again later.
        """
        self._write()
        self._settle(everything=False)
        if self._buffer.is_due:
            self._seal()
            self._write()
        records = self._source.read()
        if records and not self._waiting:
            self._waiting_since = self._clock.monotonic()
        self._waiting.extend(records)
        self._waiting_bytes += sum(len(record.data) for record in records)
        return bool(records)

    def flush(self) -> None:
        """Transform and write all that has been read. Raises as `step`; call it again later."""
        self._write()
        self._settle(everything=True)
        self._seal()
        self._write()

    def _settle(self, *, everything: bool) -> None:
        """Move what is due from the first buffer to the second."""
        if self._transform is None:
            self._take([Outcome(record, data=record.data) for record in self._waiting])
            return
        while self._waiting and (everything or self._is_due):
            self._take(self._transform.run(self._transform.cut(self._waiting)))
            if self._buffer.is_full:
                self._seal()
                self._write()

    @property
    def _is_due(self) -> bool:
        waited = self._clock.monotonic() - self._waiting_since
        return self._waiting_bytes >= TRANSFORM_BUFFER_BYTES or waited >= self._transform_seconds

    def _take(self, outcomes: Sequence[Outcome]) -> None:
        """The first of the waiting records have come to their outcomes."""
        for outcome in outcomes:
            self._buffer.add(outcome)
            record = self._waiting.popleft()
            self._waiting_bytes -= len(record.data)
            if record.last:
                self._settled[record.shard] = record.sequence
        self._waiting_since = self._clock.monotonic()

    def _seal(self) -> None:
        oldest_ms, dropped = self._buffer.oldest_ms, self._buffer.dropped
        objects = self._buffer.seal()
        failures: Counter[str] = Counter()
        for made in objects:
            failures.update(made.failures)
        delivered = sum(made.records for made in objects) - failures.total()
        written = Written(len(objects), delivered, dropped, failures)
        self._outbox.extend(objects)
        self._sealed = _Sealed(dict(self._settled), written, oldest_ms)

    def _write(self) -> None:
        """Write what is sealed; the checkpoint follows the last object."""
        while self._outbox:
            self._put(self._outbox[0])
            self._outbox.popleft()
        if self._sealed is not None:
            self._save(self._sealed.positions)
            self._told(self._sealed.written)
            self._sealed = None
