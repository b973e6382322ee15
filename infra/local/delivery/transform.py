"""Calls the transform function with batches of records, within Lambda's limits, and tries again as told.

Source: Amazon Data Firehose Developer Guide, "Transform source data in Amazon Data Firehose".
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from headrace.ops.clock import Clock
from headrace.schemas.archive import TRANSFORM_BUFFER_BYTES, TRANSFORM_RETRIES
from infra.local.delivery.answers import function_failed, outcomes
from infra.local.delivery.names import Names
from infra.local.delivery.records import Outcome, SourceRecord

PAYLOAD_LIMIT = 6_291_556
"""Bytes of a request, and of an answer; Lambda's own error text names it."""

_PAUSE_SECONDS = 0.5  # between two attempts; the service does not say


class Answer(NamedTuple):
    """What the function returned, or why it has not; a failed call counts as an attempt."""

    payload: bytes = b""
    failed: str = ""


Invoke = Callable[[bytes], Answer]
"""One call with an event. Raises TransformUnavailable when Lambda itself is away: that is no attempt."""


class Batch(NamedTuple):
    """Records of one call, each already as the JSON of its place in the event."""

    records: list[SourceRecord]
    encoded: list[bytes]


class Transform:
    """The function behind a delivery stream."""

    def __init__(self, invoke: Invoke, names: Names, clock: Clock, new_id: Callable[[], str]) -> None:
        self._invoke = invoke
        self._names = names
        self._clock = clock
        self._new_id = new_id
        self._room = PAYLOAD_LIMIT - len(self._event([])) + len(",")  # the first record needs none before it

    def cut(self, waiting: Iterable[SourceRecord]) -> Batch:
        """The first of the waiting records that go in one call; at least one, even if it does not fit."""
        records: list[SourceRecord] = []
        encoded: list[bytes] = []
        raw, size = 0, 0
        for record in waiting:
            entry = _encode(record)
            raw, size = raw + len(record.data), size + len(entry) + 1
            if records and (raw > TRANSFORM_BUFFER_BYTES or size > self._room):
                break
            records.append(record)
            encoded.append(entry)
        return Batch(records, encoded)

    def run(self, batch: Batch) -> list[Outcome]:
        """One outcome per record. Raises TransformUnavailable, and then nothing has become of any."""
        attempts = TRANSFORM_RETRIES + 1
        for attempt in range(attempts):
            event = self._event(batch.encoded)
            if len(event) > PAYLOAD_LIMIT:  # Lambda would refuse it each time
                break
            if attempt:
                self._clock.sleep(_PAUSE_SECONDS)
            answer = self._invoke(event)
            if not answer.failed and len(answer.payload) <= PAYLOAD_LIMIT:
                return outcomes(batch.records, answer.payload)
        return function_failed(batch.records, attempts)

    def _event(self, encoded: Sequence[bytes]) -> bytes:
        head = {
            "invocationId": self._new_id(),
            "sourceKinesisStreamArn": self._names.stream_arn,
            "deliveryStreamArn": self._names.delivery_arn,
            "region": self._names.region,
        }
        return msgspec.json.encode(head)[:-1] + b',"records":[' + b",".join(encoded) + b"]}"


def _encode(record: SourceRecord) -> bytes:
    return msgspec.json.encode(
        {
            "recordId": record.record_id,
            "approximateArrivalTimestamp": record.arrival_ms,
            "data": record.data,  # as base64
            "kinesisRecordMetadata": {
                "shardId": record.shard,
                "partitionKey": record.partition_key,
                "approximateArrivalTimestamp": record.arrival_ms,
                "sequenceNumber": record.sequence,
                "subsequenceNumber": "" if record.subsequence is None else str(record.subsequence),
            },
        }
    )
