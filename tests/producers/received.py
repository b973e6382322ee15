"""What a stream of the double holds, as the ledger would see it."""

from collections import Counter
from dataclasses import dataclass, field

from headrace.kinesis.aggregation import deaggregate
from headrace.schemas.codec import Event, decode
from headrace.schemas.records.producer_status import ProducerStatus
from headrace.schemas.records.reject import Reject
from headrace.schemas.records.web_access import WebAccess
from tests.doubles.kinesis import KinesisDouble


@dataclass
class Received:
    """Copies of one number are one; `copies` counts them."""

    events: dict[tuple[str, int], Event] = field(default_factory=dict)
    copies: Counter[tuple[str, int]] = field(default_factory=Counter)
    statuses: dict[str, list[ProducerStatus]] = field(default_factory=dict)
    conflicts: list[tuple[str, int]] = field(default_factory=list)  # one number, two contents

    @property
    def rejects(self) -> dict[int, Reject]:
        return {number: e.data for (_, number), e in self.events.items() if isinstance(e.data, Reject)}

    def numbers(self, source: str) -> list[int]:
        return sorted(number for name, number in self.events if name == source)

    def paths(self) -> list[str | None]:
        """The `path` of every web_access record, in order of source and number."""
        ordered = sorted(self.events.items())
        return [event.data.path for _, event in ordered if isinstance(event.data, WebAccess)]


def receive(double: KinesisDouble, stream: str = "events") -> Received:
    received = Received()
    for record in double.records(stream):
        inner = deaggregate(record.data)
        for raw in [record.data] if inner is None else [user.data for user in inner]:
            event = decode(raw)
            assert isinstance(event, Event), event
            if isinstance(event.data, ProducerStatus):
                received.statuses.setdefault(event.source, []).append(event.data)
                continue
            assert event.sequence is not None
            place = (event.source, int(event.sequence))
            known = received.events.setdefault(place, event)
            if known.data != event.data:
                received.conflicts.append(place)
            received.copies[place] += 1
    return received


def access_lines(count: int, first: int = 1) -> list[bytes]:
    """Access-log lines whose paths are /1, /2, …"""
    return [
        b'203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET /%d HTTP/1.1" 200 512 "-" "curl/8"' % n
        for n in range(first, first + count)
    ]


def assert_all_arrived(kinesis: KinesisDouble, lines: int = 3_000) -> None:
    """All lines /1, /2, … of one source, each once counted, and the source closed."""
    received = receive(kinesis)
    (source,) = received.statuses
    assert received.numbers(source) == list(range(1, lines + 1))
    assert received.paths() == [f"/{n}" for n in range(1, lines + 1)]
    assert received.conflicts == []
    last = received.statuses[source][-1]
    assert (last.spooled, last.acknowledged, last.closed) == (lines, lines, True)
