"""What waits to be written to the archive: one object per partition, and one per kind of failure.

All partitions are written at the same time, which the service does not: so one position per shard says what
is in the archive, and all of them together take no more memory than one buffer.
"""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from headrace.ops.clock import Clock
from headrace.schemas.archive import Delivery
from infra.local.delivery.names import Names
from infra.local.delivery.partition_query import EXTRACTION_FAILED, NO_KEY, PartitionQuery
from infra.local.delivery.prefix import Prefix
from infra.local.delivery.records import PARTITIONS_EXCEEDED, Failure, Outcome, SourceRecord, error_line

MAX_PARTITIONS = 500
"""What a delivery stream may have open; Amazon Data Firehose Developer Guide, "Quota"."""

_EXCEEDED = Failure(
    "DynamicPartitioning.ActivePartitionsLimitExceeded",
    "The number of active partitions has exceeded the configured limit",
    error_type=PARTITIONS_EXCEEDED,
)
_NO_KEYS = Failure(EXTRACTION_FAILED, NO_KEY)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ArchiveObject(NamedTuple):
    """An object to write; written twice it is still one. `failures` are the codes inside, counted."""

    key: str
    body: bytes
    encoding: str
    records: int
    failures: Mapping[str, int]


@dataclass
class _Part:
    lines: list[bytes] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    oldest_ms: int = 1 << 62

    def add(self, line: bytes, record: SourceRecord) -> None:
        self.lines.append(line)
        self.oldest_ms = min(self.oldest_ms, record.arrival_ms)

    @property
    def since(self) -> datetime:
        """The arrival of its oldest record, by which the service names the object."""
        return _EPOCH + timedelta(milliseconds=self.oldest_ms)


class ArchiveBuffer:
    """Gathers outcomes until they are due.

    Args:
        declared: the delivery's prefixes and size; without a transform each record gets a line end.
        seconds: how long the first record may wait.

    `dropped` counts the records inside that leave no trace.
    """

    def __init__(
        self, declared: Delivery, names: Names, clock: Clock, new_id: Callable[[], str], *, seconds: float
    ) -> None:
        self._declared = declared
        self._names = names
        self._clock = clock
        self._new_id = new_id
        self._seconds = seconds
        self._prefix = Prefix(declared.prefix)
        self._error_prefix = Prefix(declared.error_prefix)
        self._query = PartitionQuery(declared.partition_query) if declared.partition_query else None
        self._parts: dict[tuple[str, ...], _Part] = {}
        self._errors: dict[str, _Part] = {}
        self._bytes = 0
        self._since: float | None = None
        self.dropped = 0

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest record inside arrived."""
        parts = (*self._parts.values(), *self._errors.values())
        return min((part.oldest_ms for part in parts), default=None)

    @property
    def is_due(self) -> bool:
        """Whether it is full, or old enough."""
        return self.is_full or (
            self._since is not None and self._clock.monotonic() - self._since >= self._seconds
        )

    @property
    def is_full(self) -> bool:
        """Whether it has the size of an object, before compression."""
        return self._bytes >= self._declared.buffer_bytes

    def add(self, outcome: Outcome) -> None:
        """Take what became of one record; a dropped one starts the time too, since progress follows it."""
        self._since = self._clock.monotonic() if self._since is None else self._since
        if outcome.failure is not None:
            self._fail(outcome.record, outcome.failure)
        elif outcome.data is None:
            self.dropped += 1
        else:
            self._keep(outcome.record, outcome.data, outcome.keys)

    def seal(self) -> list[ArchiveObject]:
        """Everything inside as objects; the buffer is empty then."""
        objects = [self._object(keys, part) for keys, part in self._parts.items()]
        objects += [self._error_object(kind, part) for kind, part in self._errors.items()]
        self._parts, self._errors = {}, {}
        self._bytes, self._since, self.dropped = 0, None, 0
        return objects

    def _keep(self, record: SourceRecord, data: bytes, keys: Mapping[str, str]) -> None:
        if self._query is not None:
            found = self._query.keys(data)
            if isinstance(found, Failure):
                return self._fail(record, found)
            keys = found
        values = tuple(keys.get(name, "") for name in self._prefix.keys)
        if "" in values:
            return self._fail(record, _NO_KEYS)
        if values not in self._parts and len(self._parts) >= MAX_PARTITIONS:
            return self._fail(record, _EXCEEDED)
        line = data if self._declared.transformed else data + b"\n"
        self._bytes += len(line)
        self._parts.setdefault(values, _Part()).add(line, record)
        return None

    def _fail(self, record: SourceRecord, failure: Failure) -> None:
        now_ms = (self._clock.now() - _EPOCH) // timedelta(milliseconds=1)
        arn = self._names.function_arn if self._declared.transformed else None
        line = error_line(record, failure, ended_ms=now_ms, lambda_arn=arn)
        part = self._errors.setdefault(failure.error_type, _Part())
        part.failures[failure.code] = part.failures.get(failure.code, 0) + 1
        self._bytes += len(line)
        part.add(line, record)

    def _object(self, values: tuple[str, ...], part: _Part) -> ArchiveObject:
        keys = dict(zip(self._prefix.keys, values, strict=True))
        name = self._prefix.evaluate(part.since, keys=keys) + self._suffix(part) + ".gz"
        return ArchiveObject(name, gzip.compress(b"".join(part.lines), mtime=0), "gzip", len(part.lines), {})

    def _error_object(self, kind: str, part: _Part) -> ArchiveObject:
        name = self._error_prefix.evaluate(part.since, error_type=kind) + self._suffix(part)
        return ArchiveObject(name, b"".join(part.lines), "", len(part.lines), part.failures)

    def _suffix(self, part: _Part) -> str:
        return f"{self._names.delivery}-1-{part.since:%Y-%m-%d-%H-%M-%S}-{self._new_id()}"
