"""The source's rows: the columns of the `aws-kinesis` connector, plus `shardId` and `subSequenceNumber`."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from headrace.kinesis.aggregation import deaggregate
from stream_jobs.source.offsets import ShardOffset

SPARK_SCHEMA = (
    "data binary, streamName string, partitionKey string, sequenceNumber string, "
    "approximateArrivalTimestamp timestamp, shardId string, subSequenceNumber long"
)
_ARRIVAL = pa.timestamp("us", tz="UTC")
ARROW_SCHEMA = pa.schema(
    [
        ("data", pa.binary()),
        ("streamName", pa.string()),
        ("partitionKey", pa.string()),
        ("sequenceNumber", pa.string()),
        ("approximateArrivalTimestamp", _ARRIVAL),
        ("shardId", pa.string()),
        ("subSequenceNumber", pa.int64()),
    ]
)


class Marker(NamedTuple):
    """What a marker row says: how far its batch takes one shard; frontier aware, UTC."""

    shard: str
    position: str
    frontier: datetime
    closed: bool
    parents: tuple[str, ...]


def record_rows(records: pa.Table, *, stream: str, shard: str, split: bool) -> list[pa.RecordBatch]:
    """Fetched records (columns `cache.RECORDS`) as rows; with `split`, aggregates taken apart."""
    sub_sequence = pa.array(np.zeros(len(records), dtype=np.int64))
    if split:
        records, sub_sequence = _taken_apart(records)
    table = pa.table(
        [
            records["data"],
            pa.repeat(pa.scalar(stream), len(records)),
            records["partitionKey"],
            records["sequenceNumber"],
            records["approximateArrivalTimestamp"],
            pa.repeat(pa.scalar(shard), len(records)),
            sub_sequence,
        ],
        schema=ARROW_SCHEMA,
    )
    return list(table.to_batches())


def marker_rows(stream: str, shards: Mapping[str, ShardOffset]) -> pa.RecordBatch:
    """One row per shard with `data` NULL: the position in `sequenceNumber`, the frontier as arrival time.

    `partitionKey` holds {"closed": …, "parents": […]} as JSON.
    """
    names = sorted(shards)
    moved = [shards[name] for name in names]
    return pa.record_batch(
        [
            pa.nulls(len(names), pa.binary()),
            pa.array([stream] * len(names), pa.string()),
            pa.array([json.dumps({"closed": s.closed, "parents": s.parents}) for s in moved], pa.string()),
            pa.array([shard.position for shard in moved], pa.string()),
            pa.array([shard.frontier for shard in moved], pa.int64()).cast(_ARRIVAL),
            pa.array(names, pa.string()),
            pa.array([0] * len(names), pa.int64()),
        ],
        schema=ARROW_SCHEMA,
    )


def read_markers(rows: pa.Table) -> list[Marker]:
    """What marker rows say, given the rows whose `data` is NULL."""
    markers = []
    for row in rows.to_pylist():
        more = json.loads(row["partitionKey"])
        frontier = row["approximateArrivalTimestamp"].astimezone(UTC)
        parents = tuple(more["parents"])
        markers.append(Marker(row["shardId"], row["sequenceNumber"], frontier, more["closed"], parents))
    return markers


def _taken_apart(records: pa.Table) -> tuple[pa.Table, pa.Array]:
    """Each user record as a row under its own key, and its place in its aggregate."""
    data: list[bytes] = []
    keys: list[str] = []
    counts: list[int] = []
    for blob, key in zip(records["data"].to_pylist(), records["partitionKey"].to_pylist(), strict=True):
        parts = deaggregate(blob)
        data += [blob] if parts is None else [part.data for part in parts]
        keys += [key] if parts is None else [part.partition_key for part in parts]
        counts.append(1 if parts is None else len(parts))
    of = np.repeat(np.arange(len(counts)), counts)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    apart = records.drop_columns(["data", "partitionKey"]).take(pa.array(of))
    apart = apart.append_column("data", pa.array(data, pa.binary()))
    apart = apart.append_column("partitionKey", pa.array(keys, pa.string()))
    return apart, pa.array(np.arange(len(of)) - starts)
