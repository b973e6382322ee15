"""The shapes of the Kinesis double's answers, its errors and its shard iterators."""

from typing import Any

import msgspec

from tests.doubles.kinesis_stream import Shard, Stream


class Refused(Exception):
    """An error answer."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Place(msgspec.Struct, array_like=True):
    """A shard iterator, unwrapped: the first sequence number to read, and when it was given."""

    stream: str
    created: float
    shard_id: str
    position: str
    issued: float


def summary(stream: Stream, now: float) -> dict[str, Any]:
    return {
        "StreamName": stream.name,
        "StreamARN": f"arn:aws:kinesis:us-east-1:000000000000:stream/{stream.name}",
        "StreamStatus": "ACTIVE" if now >= stream.active_at else "CREATING",
        "StreamModeDetails": {"StreamMode": "ON_DEMAND" if stream.on_demand else "PROVISIONED"},
        "RetentionPeriodHours": stream.retention_hours,
        "StreamCreationTimestamp": stream.created,
        "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
        "EncryptionType": "NONE",
        "OpenShardCount": len(stream.open),
        "ConsumerCount": 0,
        "MaxRecordSizeInKiB": stream.max_record_bytes >> 10,
    }


def failure(code: str) -> dict[str, Any]:
    return {"ErrorCode": code, "ErrorMessage": f"{code} by the double"}


def hash_keys(shard: Shard) -> dict[str, str]:
    return {"StartingHashKey": str(shard.first), "EndingHashKey": str(shard.last)}


def child(shard: Shard) -> dict[str, Any]:
    return {"ShardId": shard.shard_id, "ParentShards": list(shard.parents), "HashKeyRange": hash_keys(shard)}


def description(shard: Shard) -> dict[str, Any]:
    numbers = {"StartingSequenceNumber": str(shard.starting)}
    if shard.ending is not None:
        numbers["EndingSequenceNumber"] = str(shard.ending)
    parents = dict(zip(("ParentShardId", "AdjacentParentShardId"), shard.parents, strict=False))
    return {
        "ShardId": shard.shard_id,
        "HashKeyRange": hash_keys(shard),
        "SequenceNumberRange": numbers,
        **parents,
    }
