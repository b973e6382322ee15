"""Every metric that headrace exports, declared once; names follow the KPL where it has one.

Source of the KPL's names: Amazon Kinesis Producer Library, "Monitoring the KPL with Amazon CloudWatch".
"""

from prometheus_client import Counter, Gauge, Histogram

__all__ = ["BATCHES", "BATCH_SECONDS", "JOB_RECORDS", "SHARD_BEHIND_SECONDS", "SHARD_FRONTIER"]

BATCH_SECONDS = Histogram(
    "headrace_batch_seconds",
    "Seconds from a batch's start to its commit in the warehouse",
    buckets=(0.25, 0.5, 1, 2, 5, 10, 30, 60),
)

BATCHES = Counter("headrace_batches", "Batches that the stream job has committed")

JOB_RECORDS = Counter(
    "headrace_job_records",
    "Records that the stream job has committed, by what became of them (counted, rejected, duplicate)",
    ["fate"],
)

SHARD_BEHIND_SECONDS = Gauge(
    "headrace_shard_behind_seconds", "How far a shard's end is ahead of what has been fetched", ["shard"]
)

SHARD_FRONTIER = Gauge(
    "headrace_shard_frontier_timestamp_seconds",
    "Every record of the shard that arrived before it is in the warehouse; seconds since 1970",
    ["shard"],
)
