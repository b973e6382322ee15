"""What Firehose takes back for each record, and how many bytes that has in Lambda's JSON.

Sources: Amazon Data Firehose Developer Guide, "Transform source data in Amazon Data Firehose"; the AWS Lambda
Python runtime, which writes the response with the standard separators (", " and ": ") and in ASCII.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from msgspec import to_builtins

Answer = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_AN_HOUR = 3_600_000

MAX_RESPONSE_BYTES = 6_291_556
"""Lambda refuses a response that is longer, and Firehose then fails the whole batch."""


def delivered(record_id: str, data: str, metadata: dict[str, Any]) -> Answer:
    """`data` (base64) goes to the object that the partition keys in `metadata` name."""
    return {"recordId": record_id, "result": "Ok", "data": data, "metadata": metadata}


def dropped(record_id: str) -> Answer:
    """Firehose forgets the record, without a trace: it rests elsewhere."""
    return {"recordId": record_id, "result": "Dropped"}


def failed(record_id: str) -> Answer:
    """Firehose keeps the record, as it came, under the error prefix."""
    return {"recordId": record_id, "result": "ProcessingFailed"}


@lru_cache(maxsize=1024)
def partition(record_type: str, hours: int) -> tuple[dict[str, Any], int]:
    """The `metadata` of records that arrived in one hour, counted since 1970, and its length in JSON."""
    instant = (_EPOCH + timedelta(hours=hours)).isoformat()
    metadata = {"partitionKeys": {"type": record_type, "date": instant[:10], "hour": instant[11:13]}}
    return metadata, len(json.dumps(metadata))


_FAILED_BYTES = len(json.dumps(failed("")))
_MORE_WHEN_DELIVERED = len(json.dumps(delivered("", "", {}))) - len(json.dumps({})) - _FAILED_BYTES
_LESS_WHEN_DROPPED = _FAILED_BYTES - len(json.dumps(dropped("")))
_RESPONSE_BYTES = len(json.dumps({"records": []}))


class Room:
    """The bytes that are left of a response in which every record has its place, at first as a failed one."""

    def __init__(self, record_ids: Sequence[str], limit: int = MAX_RESPONSE_BYTES) -> None:
        ids = json.dumps(list(record_ids))  # with a separator between two, as between two answers
        unquoted = len(ids) - len("[]") - len('""') * len(record_ids)
        self._limit = limit
        self._left = limit - _RESPONSE_BYTES - unquoted - _FAILED_BYTES * len(record_ids)

    def deliver(self, record_id: str, record_type: str, text: bytes, arrival: int) -> Answer | None:
        """Make a record a delivered one, if there is room for that; `arrival` in milliseconds since 1970."""
        data: str = to_builtins(text)
        metadata, metadata_bytes = partition(record_type, arrival // _MILLISECONDS_AN_HOUR)
        left = self._left - _MORE_WHEN_DELIVERED - len(data) - metadata_bytes
        if left < 0:
            return None
        self._left = left
        return delivered(record_id, data, metadata)

    def drop(self) -> None:
        """Make a record a dropped one, which is shorter."""
        self._left += _LESS_WHEN_DROPPED

    def fail(self, answer: Answer) -> None:
        """Make a record of any kind a failed one again."""
        self._left += len(json.dumps(answer)) - len(json.dumps(failed(answer["recordId"])))

    @property
    def used(self) -> int:
        """Bytes of the response."""
        return self._limit - self._left
