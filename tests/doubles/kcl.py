"""What KCL would deliver: its hash-range rule, written from its documentation and from none of our code.

For each sub-record of an aggregate KCL takes the explicit hash key, else the MD5 of the partition key. Once
one lies outside the hash range of the shard, it drops the sub-records that it had accepted and goes to the
next Kinesis record. Plain records are always delivered.
"""

import base64
from hashlib import md5

from aws_kinesis_agg.deaggregator import iter_deaggregate_records

from tests.doubles.kinesis_stream import Shard, StoredRecord


def delivered(shard: Shard) -> list[bytes]:
    """The data of each user record that a KCL consumer gets from this shard, in order."""
    return [data for record in shard.records for data in accepted(shard, record)]


def accepted(shard: Shard, record: StoredRecord) -> list[bytes]:
    """The same of one Kinesis record; nothing when it is an aggregate that KCL throws away there."""
    outer = {
        "SequenceNumber": str(record.sequence),
        "PartitionKey": record.partition_key,
        "ApproximateArrivalTimestamp": record.arrival,
        "Data": record.data,
    }
    parts = [part["kinesis"] for part in iter_deaggregate_records([outer], data_format="Boto3")]
    if not parts[0].get("aggregated"):
        return [record.data]
    accepted = []
    for part in parts:
        explicit = part["explicitHashKey"]
        digest = md5(part["partitionKey"].encode(), usedforsecurity=False).hexdigest()
        hash_key = int(digest, 16) if explicit is None else int(explicit)
        if not shard.first <= hash_key <= shard.last:
            return []
        accepted.append(base64.b64decode(part["data"]))
    return accepted
