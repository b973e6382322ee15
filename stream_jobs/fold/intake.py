"""The rows of one partition, decoded: good events as columns, rejections, statuses, markers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.kinesis.aggregation import deaggregate
from headrace.schemas.codec import Event, Rejection, decode
from headrace.schemas.record_type import RecordType
from headrace.schemas.records.producer_status import PRODUCER_STATUS
from headrace.schemas.records.reject import REJECT
from headrace.schemas.registry import EVENT_CLASSES, RECORD_TYPES
from headrace.schemas.reject_codes import RejectCode
from headrace.schemas.rejects import field_errors
from stream_jobs.source.rows import ARROW_SCHEMA

Int64s = npt.NDArray[np.int64]
_BLOCK = 20_000  # events decoded before their columns are taken and the objects let go
_TIMESTAMP = pa.timestamp("us", tz="UTC")
_TYPE_OF = {EVENT_CLASSES[name]: record_type for name, record_type in RECORD_TYPES.items()}

Decode = Callable[[bytes], Event | Rejection]


class Placed(NamedTuple):
    """A verdict that is kept as an object, and its place among the partition's records."""

    at: int
    verdict: Any


@dataclass
class Columns:
    """Events of one record type, in the order of their places.

    Attributes:
        at: place among the partition's records.
        sources: the events' sources (Arrow text).
        numbers: their sequence numbers.
        times: event times, microseconds since 1970.
        fields: per field that an output needs, its values.
    """

    at: Int64s
    sources: pa.Array
    numbers: Int64s
    times: Int64s
    fields: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def join(cls, blocks: Sequence["Columns"]) -> "Columns":
        """Blocks in the order of their places as one."""
        if len(blocks) == 1:
            return blocks[0]
        return cls(
            at=np.concatenate([block.at for block in blocks]),
            sources=pa.concat_arrays([block.sources for block in blocks]),
            numbers=np.concatenate([block.numbers for block in blocks]),
            times=np.concatenate([block.times for block in blocks]),
            fields={
                name: pa.concat_arrays([block.fields[name] for block in blocks]) for name in blocks[0].fields
            },
        )

    def filter(self, chosen: npt.NDArray[np.bool_]) -> "Columns":
        """Only the chosen events."""
        if chosen.all():
            return self
        mask = pa.array(chosen)
        return Columns(
            at=self.at[chosen],
            sources=self.sources.filter(mask),
            numbers=self.numbers[chosen],
            times=self.times[chosen],
            fields={name: values.filter(mask) for name, values in self.fields.items()},
        )


class Place(NamedTuple):
    """Where in the stream a record lay; arrival in microseconds since 1970."""

    shard: str
    sequence: str
    arrival: int


class Rows(NamedTuple):
    """The Kinesis records of a partition, one element each; arrivals in microseconds since 1970."""

    data: pa.ChunkedArray
    shards: pa.ChunkedArray
    sequences: pa.ChunkedArray
    arrivals: Int64s


@dataclass
class Intake:
    """What a partition holds; a record's place counts the user records of all rows in their order.

    Attributes:
        rows: the rows that hold records.
        markers: the rows that do not.
    """

    rows: Rows = field(init=False)
    markers: pa.Table = field(init=False)
    starts: Int64s = field(init=False)  # per row the place of its first user record; at the end their number
    blocks: dict[str, list[Columns]] = field(default_factory=dict)
    rejections: list[Placed] = field(default_factory=list)
    rejects: list[Placed] = field(default_factory=list)
    statuses: list[Placed] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many user records there are."""
        return int(self.starts[-1])

    def row_of(self, at: Int64s) -> Int64s:
        """The rows that hold these places."""
        return np.searchsorted(self.starts, at, side="right") - 1

    def arrivals(self, at: Int64s) -> Int64s:
        """When the records at these places arrived in the stream."""
        return self.rows.arrivals[self.row_of(at)]

    def place(self, at: int) -> Place:
        """Where in the stream the record at a place lay."""
        row = int(self.row_of(np.array([at]))[0])
        shard, sequence = self.rows.shards[row].as_py(), self.rows.sequences[row].as_py()
        return Place(shard, sequence, int(self.rows.arrivals[row]))

    def raw(self, at: int) -> bytes:
        """The bytes of the record at a place."""
        row = int(self.row_of(np.array([at]))[0])
        data: bytes = self.rows.data[row].as_py()
        return payloads_of(data)[at - int(self.starts[row])]


def take_in(
    batches: Iterable[pa.RecordBatch], wanted: dict[str, Sequence[str]], verdict: Decode = decode
) -> Intake:
    """Decode every record of the source's rows, while further rows are still on their way.

    `wanted` names per record type the fields that outputs need.
    """
    held: list[pa.RecordBatch] = []
    counts: list[int] = []
    intake = Intake()
    place = 0
    for payloads in _blocks(kept(batches, held), counts):
        _sort(intake, place, _judge(payloads, verdict), wanted)
        place += len(payloads)
    table = pa.Table.from_batches(held) if held else ARROW_SCHEMA.empty_table()
    is_marker = table["data"].is_null()
    intake.rows = _rows(table.filter(pc.invert(is_marker)))
    intake.markers = table.filter(is_marker)
    intake.starts = np.concatenate(([0], np.cumsum(np.array(counts, dtype=np.int64))))
    return intake


def kept(batches: Iterable[pa.RecordBatch], held: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, each put into `held` as it goes by."""
    for batch in batches:
        held.append(batch)
        yield batch


def _blocks(batches: Iterable[pa.RecordBatch], counts: list[int]) -> Iterator[list[bytes]]:
    """User records in blocks; `counts` grows by each row's number of them."""
    block: list[bytes] = []
    for batch in batches:
        for blob in batch["data"]:
            if not blob.is_valid:
                continue  # a marker
            payloads = payloads_of(blob.as_py())
            counts.append(len(payloads))
            block += payloads
            if len(block) >= _BLOCK:
                yield block
                block = []
    yield block


def _rows(table: pa.Table) -> Rows:
    arrivals = table["approximateArrivalTimestamp"].cast(_TIMESTAMP).cast(pa.int64())
    return Rows(table["data"], table["shardId"], table["sequenceNumber"], arrivals.to_numpy())


def payloads_of(blob: bytes) -> list[bytes]:
    """The user records in a Kinesis record, itself if it is no aggregate."""
    parts = deaggregate(blob)
    return [blob] if parts is None else [part.data for part in parts]


def _judge(payloads: list[bytes], verdict: Decode) -> list[Event | Rejection]:
    """One verdict per record. A fault of the codec costs the one record that provokes it, never the batch."""
    try:
        return list(map(verdict, payloads))
    except Exception:  # noqa: BLE001  each record is judged alone below, and its fate recorded
        return [_judge_alone(payload, verdict) for payload in payloads]


def _judge_alone(payload: bytes, verdict: Decode) -> Event | Rejection:
    try:
        return verdict(payload)
    except Exception as error:  # noqa: BLE001  recorded: the reject keeps the record and the fault
        return faulted(payload, error)


def faulted(raw: bytes, error: Exception, event: Event | None = None) -> Rejection:
    """The rejection of a record on which our own code failed."""
    return Rejection(
        code=RejectCode.JOB_FAULT,
        errors=field_errors([("$", f"{type(error).__name__}: {error}")]),
        raw=raw,
        source=event.source if event else None,
        sequence=int(event.sequence) if event and event.sequence else None,
        record_type=event.type if event else None,
    )


def _sort(
    intake: Intake, place: int, verdicts: list[Event | Rejection], wanted: dict[str, Sequence[str]]
) -> None:
    """Put a block's verdicts where they belong."""
    kinds: list[type] = [type(verdict) for verdict in verdicts]
    for kind in dict.fromkeys(kinds):
        if len(verdicts) == kinds.count(kind):
            at, chosen = np.arange(place, place + len(verdicts)), verdicts
        else:
            here = [number for number, other in enumerate(kinds) if other is kind]
            at, chosen = np.array(here) + place, [verdicts[number] for number in here]
        record_type = _TYPE_OF.get(kind)
        if record_type is None:
            intake.rejections += map(Placed, at.tolist(), chosen)
        elif record_type is REJECT:
            intake.rejects += map(Placed, at.tolist(), chosen)
        elif record_type is PRODUCER_STATUS:
            intake.statuses += map(Placed, at.tolist(), chosen)
        else:
            columns = _columns(at, chosen, wanted.get(record_type.name, ()), record_type)
            intake.blocks.setdefault(record_type.name, []).append(columns)


def _columns(at: Int64s, events: list[Any], fields: Iterable[str], record_type: RecordType) -> Columns:
    data = [event.data for event in events]
    return Columns(
        at=at,
        sources=pa.array([event.source for event in events], pa.string()),
        numbers=pa.array([event.sequence for event in events], pa.string()).cast(pa.int64()).to_numpy(),
        times=pa.array([event.time for event in events], _TIMESTAMP).cast(pa.int64()).to_numpy(),
        fields={
            name: pa.array(list(map(attrgetter(name), data)), _ARROW[record_type.field(name).kind])
            for name in fields
        },
    )


_ARROW = {
    "text": pa.string(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "float": pa.float64(),
    "bytes": pa.binary(),
}
