"""What Firehose would send to the transform, and what it would take from the answer."""

import base64
import itertools
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from headrace.schemas.codec import encode
from headrace.schemas.records.web_access import WebAccess
from lambdas.transform.rejects import Parcel

SOURCE = "web-7/01J9ZX5T3R6E8QK2V4M7B0C1DN"
ARRIVAL = datetime(2026, 11, 21, 11, 59, 59, 123_000, tzinfo=UTC)
ARRIVAL_MS = 1_795_262_399_123
EVENT_TIME = datetime(2026, 11, 21, 8, 0, 0, 5, tzinfo=UTC)
SHARD = "shardId-000000000003"
FIRST_SEQUENCE = 49_546_986_683_135_544_286_507_457_936_321_625_675_700_192_471_156_785_154

_numbers = itertools.count()


def record(raw: bytes, *, arrival_ms: int = ARRIVAL_MS, kinesis: bool = True) -> dict[str, Any]:
    """One record with an id of its own, from Kinesis or put to Firehose directly."""
    number = next(_numbers)
    made = {
        "recordId": f"{FIRST_SEQUENCE + number}000000",
        "approximateArrivalTimestamp": arrival_ms if not kinesis else arrival_ms + 7_000,
        "data": base64.b64encode(raw).decode(),
    }
    if kinesis:
        made["kinesisRecordMetadata"] = {
            "shardId": SHARD,
            "partitionKey": "k",
            "sequenceNumber": str(FIRST_SEQUENCE + number),
            "subsequenceNumber": 0,
            "approximateArrivalTimestamp": arrival_ms,
        }
    return made


def good(number: int = 1, **fields: Any) -> bytes:
    """A good event."""
    values: dict[str, Any] = {"client_address": "203.0.113.9", "method": "GET", "path": "/", "status": 200}
    return encode(SOURCE, number, EVENT_TIME, WebAccess(**(values | fields)))


def bad(number: int = 1) -> bytes:
    """An event that every reader rejects as `out_of_range`."""
    return good(number).replace(b'"status":200', b'"status":2000')


def lines(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """What an answer delivers, line by line."""
    text = base64.b64decode(answer["data"], validate=True)
    assert text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


def results(answers: Iterable[dict[str, Any]]) -> list[str]:
    """What the answers say."""
    return [answer["result"] for answer in answers]


class Errors:
    """Stands in for the stream `errors`: keeps what it takes; `takes` says of each parcel in turn whether."""

    def __init__(self, takes: Iterable[bool] = itertools.repeat(True)) -> None:
        self.kept: list[Parcel] = []
        self.refused: list[Parcel] = []
        self._takes = iter(takes)

    def put(self, parcels: Sequence[Parcel]) -> list[bool]:
        """Of each, whether it was taken."""
        verdicts = [next(self._takes, True) for _ in parcels]
        for parcel, taken in zip(parcels, verdicts, strict=True):
            (self.kept if taken else self.refused).append(parcel)
        return verdicts


def nowhere(parcels: Sequence[Parcel]) -> list[bool]:
    """A put that must not be called; what it raises passes every `except Exception`."""
    pytest.fail(f"{len(parcels)} were put")
