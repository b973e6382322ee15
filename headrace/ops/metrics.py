"""Every metric that headrace exports, declared once; names follow the KPL where it has one.

Source of the KPL's names: Amazon Kinesis Producer Library, "Monitoring the KPL with Amazon CloudWatch".
"""

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "BATCHES",
    "BATCH_SECONDS",
    "HTTP_DURABLE_SECONDS",
    "HTTP_RECORDS",
    "HTTP_REQUESTS",
    "INPUT_HELD_UP",
    "JOB_RECORDS",
    "KINESIS_RECORDS_PUT",
    "PUT_ERRORS",
    "REQUEST_SECONDS",
    "SHARD_BEHIND_SECONDS",
    "SHARD_FRONTIER",
    "SOURCE_FAILURES",
    "SPOOL_BYTES",
    "SPOOL_FULL",
    "USER_RECORDS_DATA_PUT",
    "USER_RECORDS_PENDING",
    "USER_RECORDS_PUT",
    "USER_RECORDS_RECEIVED",
]

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

SOURCE_FAILURES = Counter(
    "headrace_source_failures",
    "Attempts to read from a server that failed, by reason (connection, ended, status, malformed, too_large)",
    ["reason"],
)

INPUT_HELD_UP = Gauge(
    "headrace_input_held_up",
    "1 while something holds an input of a producer up: its source, its spool, Kinesis, or a failure",
    ["input"],
)

USER_RECORDS_RECEIVED = Counter(
    "headrace_user_records_received",
    "Lines that a producer has numbered, by their input and their fate (record, reject)",
    ["input", "fate"],
)

USER_RECORDS_PENDING = Gauge(
    "headrace_user_records_pending", "Records in the spool that Kinesis has not acknowledged"
)

USER_RECORDS_PUT = Counter("headrace_user_records_put", "Records that Kinesis has acknowledged")

USER_RECORDS_DATA_PUT = Counter(
    "headrace_user_records_data_put_bytes", "Bytes of aggregates that Kinesis has acknowledged"
)

KINESIS_RECORDS_PUT = Counter(
    "headrace_kinesis_records_put", "Kinesis records (mostly aggregates) that were acknowledged"
)

PUT_ERRORS = Counter("headrace_errors_by_code", "Failed entries and requests of PutRecords", ["code"])

REQUEST_SECONDS = Histogram("headrace_request_seconds", "Seconds that a PutRecords request took")

SPOOL_BYTES = Gauge("headrace_spool_bytes", "Bytes that the spool takes on disk")

SPOOL_FULL = Gauge(
    "headrace_spool_full", "1 while an input is paused because its spool has no room", ["input"]
)

HTTP_REQUESTS = Counter(
    "headrace_http_requests", "Requests that were pushed, by the answer's status", ["status"]
)

HTTP_RECORDS = Counter("headrace_http_records", "Records that were pushed and answered with 202")

HTTP_DURABLE_SECONDS = Histogram(
    "headrace_http_durable_seconds",
    "Seconds from a good request to its records on disk",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)
