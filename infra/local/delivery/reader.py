"""Reads a stream's shards onward: parents before children, aggregates taken apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.errors import IteratorExpired, KinesisNotFound, StreamRecreated
from headrace.kinesis.aggregation import deaggregate
from headrace.kinesis.messages import Record, StreamSummary
from headrace.kinesis.port import Kinesis
from headrace.ops.clock import Clock
from headrace.schemas.streams import stream_identity
from infra.local.delivery.checkpoint import Checkpoint
from infra.local.delivery.records import SourceRecord

_RECORDS_AT_ONCE = 100  # an emulator knows no limit in bytes for an answer: aggregates are usually 50 kB
_LOOK_SECONDS = 10.0  # how often the stream's age is asked for


@dataclass
class _Shard:
    name: str
    position: str  # '' before the first record
    iterator: str | None = None
    drained: bool = False


class StreamReader:
    """One stream, shard by shard. `arn` and `identity` are those of the stream as it was found."""

    def __init__(self, kinesis: Kinesis, stream: str, checkpoint: Checkpoint, clock: Clock) -> None:
        """Find the stream; a checkpoint of another one, also of one made before it, counts for nothing.

        Raises KinesisUnavailable, KinesisRefused and their kinds.
        """
        self._kinesis = kinesis
        self._stream = stream
        self._clock = clock
        summary = kinesis.describe_stream_summary(stream)
        self.arn = summary.stream_arn
        self.identity = _identity(summary)
        self.positions = dict(checkpoint.positions) if checkpoint.stream == self.identity else {}
        self._shards: dict[str, _Shard] = {}
        self._listed = False
        self._fetched: list[SourceRecord] = []
        self._looked_at = clock.monotonic()

    def read(self) -> Sequence[SourceRecord]:
        """The next records of every shard; none when no shard had any more.

        Raises KinesisUnavailable and its kinds, and then the next call goes on where this one was;
        StreamRecreated when the stream is another one now.
        """
        if self._clock.monotonic() - self._looked_at >= _LOOK_SECONDS:
            self._look()
        while not self._fetched:
            if not self._listed:
                self._list()
            for shard in self._shards.values():
                if not shard.drained:
                    self._ask(shard)
            if self._listed:
                break
        fetched, self._fetched = self._fetched, []
        return fetched

    def _ask(self, shard: _Shard) -> None:
        try:
            iterator, shard.iterator = shard.iterator or self._open(shard), None
            answer = self._kinesis.get_records(iterator, _RECORDS_AT_ONCE).answer
        except IteratorExpired:
            return  # asked anew at the next turn
        except KinesisNotFound:  # the shard is gone, or the stream
            self._look()
            shard.drained, self._listed = True, False
            return
        shard.iterator = answer.next_shard_iterator
        if shard.iterator is None:  # its children may be read now
            shard.drained, self._listed = True, False
        if answer.records:
            shard.position = answer.records[-1].sequence_number
            self._fetched += [part for record in answer.records for part in _parts(record, shard.name)]

    def _open(self, shard: _Shard) -> str:
        if not shard.position:
            return self._kinesis.get_shard_iterator(self._stream, shard.name, "TRIM_HORIZON")
        return self._kinesis.get_shard_iterator(
            self._stream, shard.name, "AFTER_SEQUENCE_NUMBER", sequence_number=shard.position
        )

    def _list(self) -> None:
        """Take up what may be read by now: shards whose parents are drained or expired, or that have none."""
        listed = {shard.shard_id: shard for shard in self._kinesis.list_shards(self._stream)}
        known = {name: shard for name, shard in self._shards.items() if name in listed}
        for name, shard in sorted(listed.items()):
            parents = [parent for parent in shard.parents if parent in listed]
            if name not in known and all(parent in known and known[parent].drained for parent in parents):
                known[name] = _Shard(name, self.positions.get(name, ""))
        self._shards = known
        self._listed = True

    def _look(self) -> None:
        summary = self._kinesis.describe_stream_summary(self._stream)
        self._looked_at = self._clock.monotonic()
        if _identity(summary) != self.identity:
            raise StreamRecreated(
                f"stream {self._stream} was deleted and made anew: it is read from its beginning"
            )


def _identity(summary: StreamSummary) -> str:
    return stream_identity(summary.stream_name, round(summary.stream_creation_timestamp * 1000))


def _parts(record: Record, shard: str) -> list[SourceRecord]:
    """The user records of one Kinesis record."""
    inside = deaggregate(record.data)
    if inside is None:
        plain = SourceRecord(
            record.data,
            record.partition_key,
            shard,
            record.sequence_number,
            None,
            record.arrival_ms,
            last=True,
        )
        return [plain]
    end = len(inside) - 1
    return [
        SourceRecord(
            part.data,
            part.partition_key,
            shard,
            record.sequence_number,
            number,
            record.arrival_ms,
            last=number == end,
        )
        for number, part in enumerate(inside)
    ]
