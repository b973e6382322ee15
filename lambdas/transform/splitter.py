"""Splits a batch of Firehose's records: lines to the archive, rejects to the stream `errors`.

Every record gets exactly one answer, in the order in which they came, and none can harm another: whatever
our own code raises on a record costs that one only. Base64 is msgspec's: twice as fast as the standard one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct, convert

from headrace.kinesis.aggregation import MAGIC, deaggregate
from headrace.schemas.codec import decode
from headrace.schemas.event import Event
from headrace.schemas.records.reject import REJECT
from headrace.schemas.registry import EVENT_CLASSES
from headrace.schemas.reject_codes import RejectCode
from headrace.schemas.verdict import Rejection
from lambdas.transform.answers import MAX_RESPONSE_BYTES, Answer, Room, dropped, failed
from lambdas.transform.lines import line
from lambdas.transform.rejects import Parcel, faulted, is_oversized, parcel
from lambdas.transform.tally import NOT_TAKEN, Failure, Tally

Record = Mapping[str, Any]
"""`recordId`, `data` (base64), `approximateArrivalTimestamp` (ms), from Kinesis `kinesisRecordMetadata`."""

Put = Callable[[Sequence[Parcel]], Sequence[bool]]
"""Puts parcels to the stream `errors`, and says of each whether it was taken."""

_REJECT = EVENT_CLASSES[REJECT.name]


class Line(Struct, frozen=True, gc=False):
    """A good record's line, and its record type."""

    type: str
    text: bytes


class Waiting(NamedTuple):
    """A record whose answer holds once its parcels are taken; `parts` are what it came apart into."""

    at: int
    answer: Answer
    place: Record
    parts: list[Line | Parcel | Rejection]
    parcels: list[Parcel]


def split(
    records: Sequence[Record], put: Put, *, limit: int = MAX_RESPONSE_BYTES
) -> tuple[list[Answer], Tally]:
    """The answers to Firehose's records, at most `limit` bytes in JSON, and what became of each."""
    splitter = _Splitter([record["recordId"] for record in records], limit)
    splitter.take(records)
    splitter.settle(put)
    return splitter.answers, splitter.tally


def judge(raw: bytes, arrival: int) -> Line | Parcel | Rejection:
    """One user record as a line, as a producer's reject, or as a rejection; it never raises."""
    event: Event | Rejection | None = None
    try:
        event = decode(raw)
        if type(event) is Rejection:
            return event
        if type(event) is _REJECT:
            return Parcel(event.data.id, raw)
        return Line(event.type, line(event, arrival))
    except Exception as error:  # noqa: BLE001  recorded: the reject keeps the record and the fault
        return faulted(raw, error, event if isinstance(event, Event) else None)


class _Splitter:
    def __init__(self, record_ids: Sequence[str], limit: int) -> None:
        self.answers: list[Answer] = []
        self.tally = Tally()
        self._room = Room(record_ids, limit)
        self._waiting: list[Waiting] = []

    def take(self, records: Iterable[Record]) -> None:
        """Answer the records; what the answers say of rejects, `settle` makes true."""
        for record in records:
            record_id, place = record["recordId"], record.get("kinesisRecordMetadata") or record
            try:
                answer = self._answer(record_id, convert(record["data"], bytes), place)
            except Exception as error:  # noqa: BLE001  recorded: Firehose keeps the record
                self.tally.faults.append(error)
                answer = self._failed(record_id, place, RejectCode.TRANSFORM_FAULT)
            self.answers.append(answer)

    def settle(self, put: Put) -> None:
        """Put the parcels; a record with one that is not taken fails, so that Firehose keeps it."""
        parcels = [parcel for waiting in self._waiting for parcel in waiting.parcels]
        taken = iter(self._put(put, parcels))
        for at, answer, place, parts, own in self._waiting:
            of_own = [next(taken) for _ in own]
            if answer["result"] == "ProcessingFailed":
                continue
            if all(of_own):
                self._count(parts)
            else:
                self._room.fail(answer)
                self.answers[at] = self._failed(answer["recordId"], place, NOT_TAKEN)
        self.tally.response_bytes = self._room.used

    def _put(self, put: Put, parcels: Sequence[Parcel]) -> Sequence[bool]:
        try:
            return put(parcels) if parcels else []
        except Exception as error:  # noqa: BLE001  recorded: the records fail, their siblings do not
            self.tally.faults.append(error)
            return [False] * len(parcels)

    def _answer(self, record_id: str, raw: bytes, place: Record) -> Answer:
        arrival = place["approximateArrivalTimestamp"]
        payloads = deaggregate(raw) if raw[:4] == MAGIC else None
        if payloads is not None:
            return self._answer_parts(record_id, [judge(part.data, arrival) for part in payloads], place)
        part = judge(raw, arrival)
        if type(part) is not Line:
            return self._answer_parts(record_id, [part], place)
        answer = self._room.deliver(record_id, part.type, part.text, arrival)
        if answer is None:
            return self._failed(record_id, place, RejectCode.RESPONSE_FULL)
        self.tally.delivered += 1
        return answer

    def _answer_parts(self, record_id: str, parts: list[Line | Parcel | Rejection], place: Record) -> Answer:
        lines = [part for part in parts if isinstance(part, Line)]
        if any(part.type != lines[0].type for part in lines):
            return self._failed(record_id, place, RejectCode.MIXED_AGGREGATE)
        parcels = [_parcel(part, place) for part in parts if not isinstance(part, Line)]
        longest = next((part for part in parts if isinstance(part, Rejection) and is_oversized(part)), None)
        if longest is not None:
            answer = self._failed(record_id, place, longest.code)
        elif lines:
            text = b"".join(part.text for part in lines)
            made = self._room.deliver(record_id, lines[0].type, text, place["approximateArrivalTimestamp"])
            if made is None:
                return self._failed(record_id, place, RejectCode.RESPONSE_FULL)
            answer = made
        else:
            self._room.drop()
            answer = dropped(record_id)
        self._waiting.append(Waiting(len(self.answers), answer, place, parts, parcels))
        return answer

    def _failed(self, record_id: str, place: Record, reason: str) -> Answer:
        self.tally.failures.append(Failure(reason, place.get("shardId"), place.get("sequenceNumber")))
        return failed(record_id)

    def _count(self, parts: list[Line | Parcel | Rejection]) -> None:
        for part in parts:
            if isinstance(part, Line):
                self.tally.delivered += 1
            elif isinstance(part, Parcel):
                self.tally.forwarded += 1
            else:
                self.tally.rejected[part.code.value] += 1


def _parcel(part: Parcel | Rejection, place: Record) -> Parcel:
    return part if isinstance(part, Parcel) else parcel(part, place)
