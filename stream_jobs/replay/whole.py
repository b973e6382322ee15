"""The whole of a record of which its reject has only the head: from wherever it was kept."""

from collections.abc import Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import NamedTuple

from headrace.errors import KinesisRefused, RetryError
from headrace.kinesis.aggregation import deaggregate
from headrace.kinesis.messages import Record
from headrace.kinesis.port import Kinesis
from headrace.ops.clock import Clock
from headrace.schemas.records.reject import MAX_RAW_BYTES
from headrace.schemas.reject_codes import Stage
from headrace.warehouse.replays import RejectRow
from stream_jobs.replay.failed_lines import FailedLine, read_lines
from stream_jobs.replay.objects import Objects, failed_keys
from stream_jobs.replay.settings import ReplaySettings

_ON_A_STREAM = "kinesis:"
_ATTEMPTS, _PAUSE_SECONDS = 10, 1.0


class _Kept(NamedTuple):
    """Where among the delivery's error objects a long record lies: object, line, place in the aggregate."""

    key: str
    line: int
    sub: int


class Wholes:
    """Finds whole records by their SHA-256, so that a wrong one is never taken."""

    def __init__(
        self, settings: ReplaySettings, kinesis: Kinesis, lake: Objects | None, clock: Clock
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._kinesis = kinesis
        self._lake = lake
        self._kept: dict[str, _Kept] | None = None

    def find(self, row: RejectRow) -> bytes | None:
        """The record's bytes; None when they are nowhere within reach."""
        if row.raw_length <= len(row.raw):
            return row.raw
        for candidates in (self._in_failed(row), self._on_disk(row), self._on_stream(row)):
            for raw in candidates:
                if len(raw) == row.raw_length and sha256(raw).hexdigest() == row.raw_sha256:
                    return raw
        return None

    def _in_failed(self, row: RejectRow) -> Iterator[bytes]:
        if self._lake is None:
            return
        if self._kept is None:
            self._kept = dict(_long_records(self._lake))
        if kept := self._kept.get(row.raw_sha256):
            for line in read_lines(self._lake.read(kept.key)):
                if isinstance(line, FailedLine) and line.line == kept.line:
                    yield line.records[kept.sub]

    def _on_disk(self, row: RejectRow) -> Iterator[bytes]:
        """A producer's quarantine, if it is on this machine."""
        if row.raw_place is None or not row.raw_place.startswith("/") or "\0" in row.raw_place:
            return
        path = Path(row.raw_place)
        try:
            if path.is_file() and path.stat().st_size == row.raw_length:
                yield path.read_bytes()
        except OSError:  # of another user, or gone meanwhile: not within reach
            return

    def _on_stream(self, row: RejectRow) -> Iterator[bytes]:
        """The stream itself, while it keeps the record."""
        shard, sequence = row.shard, row.shard_sequence
        if (row.raw_place or "").startswith(_ON_A_STREAM):
            shard, _, sequence = (row.raw_place or "").removeprefix(_ON_A_STREAM).partition("/")
        if not shard or not sequence:
            return
        on_errors = row.stage == Stage.ERROR_DESK
        stream = self._settings.error_stream if on_errors else self._settings.stream
        for record in self._read(stream, shard, sequence):
            inside = deaggregate(record.data)
            yield from [record.data] if inside is None else [each.data for each in inside]

    def _read(self, stream: str, shard: str, sequence: str) -> list[Record]:
        """The Kinesis record at that place, if it is still there. Raises KinesisUnavailable in the end."""
        for attempt in count(1):
            try:
                iterator = self._kinesis.get_shard_iterator(
                    stream, shard, "AT_SEQUENCE_NUMBER", sequence_number=sequence
                )
                return self._kinesis.get_records(iterator, 1).answer.records
            except KinesisRefused:  # the shard, or the record, is past the retention
                break
            except RetryError:  # its reads are shared with the jobs
                if attempt >= _ATTEMPTS:
                    raise
                self._clock.sleep(_PAUSE_SECONDS)
        return []


def _long_records(lake: Objects) -> Iterator[tuple[str, _Kept]]:
    for _, key in failed_keys(lake, None):
        for line in read_lines(lake.read(key)):
            if isinstance(line, FailedLine) and len(line.raw) > MAX_RAW_BYTES:
                for sub, record in enumerate(line.records):
                    if len(record) > MAX_RAW_BYTES:
                        yield sha256(record).hexdigest(), _Kept(key, line.line, sub)
