"""A delivery stream on scripted ports: records that a test gives, a function and a bucket that may fail."""

import base64
import gzip
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from headrace.errors import HeadraceError
from headrace.schemas.archive import DELIVERIES, Delivery
from infra.local.delivery.archive_buffer import ArchiveBuffer, ArchiveObject
from infra.local.delivery.engine import DeliveryStream, Written
from infra.local.delivery.names import Names
from infra.local.delivery.records import SourceRecord
from infra.local.delivery.transform import Answer, Transform
from tests.doubles.clock import START, ManualClock

ARRIVAL_MS = round(START.timestamp() * 1000)
STREAM_ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/"
KEYS = {"type": "web_access.v1", "date": "2026-11-21", "hour": "12"}

Handler = Callable[[Any], Any]
"""Takes the decoded event, gives what is to be encoded; or bytes, sent as they are; or raises."""


def record(data: bytes, number: int, *, shard: str = "shardId-000000000000", **changes: Any) -> SourceRecord:
    plain = SourceRecord(data, "key", shard, f"{number:056d}", None, ARRIVAL_MS, last=True)
    return plain._replace(**changes)


def records(*contents: bytes) -> list[SourceRecord]:
    return [record(content, number) for number, content in enumerate(contents)]


def ok(entry: Mapping[str, Any], **keys: str) -> dict[str, Any]:
    """An answer that delivers the record as it is."""
    return {
        "recordId": entry["recordId"],
        "result": "Ok",
        "data": entry["data"],
        "metadata": {"partitionKeys": KEYS | keys},
    }


def all_ok(event: Any) -> Any:
    return {"records": [ok(entry) for entry in event["records"]]}


class Scripted:
    """The ports, and what went through them; each may be told to fail."""

    def __init__(self, clock: ManualClock, handler: Handler = all_ok) -> None:
        self.clock = clock
        self.handler = handler
        self.chunks: list[Sequence[SourceRecord] | HeadraceError] = []
        self.events: list[Any] = []
        self.longest_event = 0
        self.objects: dict[str, ArchiveObject] = {}
        self.puts = 0
        self.put_errors: list[HeadraceError] = []
        self.invoke_errors: list[HeadraceError] = []
        self.saved: list[Mapping[str, str]] = []
        self.written: list[Written] = []
        self._ids = count(1)

    def delivery(self, stream: str = "events", **changes: Any) -> DeliveryStream:
        declared: Delivery = replace(DELIVERIES[stream], **changes)
        names = Names(STREAM_ARN + stream, "headrace-transform")
        transform = Transform(self._invoke, names, self.clock, self._new_id) if declared.transformed else None
        return DeliveryStream(
            source=self,
            transform=transform,
            buffer=ArchiveBuffer(declared, names, self.clock, self._new_id, seconds=15.0),
            put=self._put,
            save=self.saved.append,
            told=self.written.append,
            clock=self.clock,
            transform_seconds=1.0,
        )

    def deliver(self, given: Iterable[SourceRecord], stream: str = "events", **changes: Any) -> "Scripted":
        """Through a delivery of its own, at once."""
        delivery = self.delivery(stream, **changes)
        self.chunks.append(list(given))
        delivery.step()
        delivery.flush()
        return self

    def read(self) -> Sequence[SourceRecord]:
        given = self.chunks.pop(0) if self.chunks else []
        if isinstance(given, HeadraceError):
            raise given
        return given

    def lines(self, under: str = "events/") -> list[bytes]:
        """Every line of every object under a prefix."""
        bodies = [
            gzip.decompress(it.body) if it.encoding == "gzip" else it.body
            for key, it in self.objects.items()
            if key.startswith(under)
        ]
        return [line for body in bodies for line in body.splitlines()]

    def failures(self, kind: str = "processing-failed", stream: str = "events") -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines(f"failed/{stream}/{kind}/2026/11/21/")]

    def failed(self) -> dict[bytes, str]:
        """The code of each record that failed."""
        return {base64.b64decode(failure["rawData"]): failure["errorCode"] for failure in self.failures()}

    def _invoke(self, event: bytes) -> Answer:
        if self.invoke_errors:
            raise self.invoke_errors.pop(0)
        self.events.append(json.loads(event))
        self.longest_event = max(self.longest_event, len(event))
        try:
            answer = self.handler(self.events[-1])
        except ZeroDivisionError as error:  # what a test's function crashes with
            return Answer(failed=str(error))
        return Answer(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def _put(self, it: ArchiveObject) -> None:
        self.puts += 1
        if self.put_errors:
            raise self.put_errors.pop(0)
        self.objects[it.key] = it

    def _new_id(self) -> str:
        return f"id-{next(self._ids)}"
