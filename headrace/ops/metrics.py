"""Every metric that headrace exports, declared once; names follow the KPL where it has one.

Source of the KPL's names: Amazon Kinesis Producer Library, "Monitoring the KPL with Amazon CloudWatch".
"""

import math

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

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

WINDOW_RECORDS = Counter(
    "headrace_window_records", "Records that the stream job has put into windows, once for each output"
)

LATE_RECORDS = Counter(
    "headrace_late_records", "Records put into windows later than allowed, once for each output"
)

WAREHOUSE_LAG = Gauge(
    "headrace_warehouse_lag_seconds",
    "How old the instant is up to which the warehouse has every record, when the job last read its books",
)

MISSING_RECORDS = Gauge(
    "headrace_missing_records", "Numbers of all sources that are lost, when the job last read the books"
)

SILENT_SOURCES = Gauge(
    "headrace_silent_sources",
    "Sources that are neither closed nor heard of, when the job last read the books",
)

WRONG_OUTPUTS = Gauge(
    "headrace_wrong_outputs",
    "Windowed outputs that did not add up to what was counted, when the job last read the books",
)

for _gauge in (WAREHOUSE_LAG, MISSING_RECORDS, SILENT_SOURCES, WRONG_OUTPUTS):
    _gauge.set(math.nan)  # until the books are read, which other processes never do
del _gauge

UNREADABLE = "unreadable"
"""The label for records without a declared type: an empty one is none to Prometheus."""

BREAKER_OPEN = Gauge(
    "headrace_breaker_open",
    "1 while too large a share of a type is rejected; `unreadable` for records without a declared type",
    ["record_type"],
)

REJECTED_SHARE = Gauge(
    "headrace_rejected_share",
    "Which part of a type's records of the last five minutes of arrival was rejected, as the breaker sees it",
    ["record_type"],
)

SHARD_BEHIND_SECONDS = Gauge(
    "headrace_shard_behind_seconds", "How far a shard's end is ahead of what has been fetched", ["shard"]
)

SHARD_FRONTIER = Gauge(
    "headrace_shard_frontier_timestamp_seconds",
    "Every record of the shard that arrived before it is in the warehouse; seconds since 1970",
    ["shard"],
)

DESK_RECORDS = Counter(
    "headrace_desk_records", "Records of `errors` that the error desk has merged into the warehouse"
)

DESK_LAST_MERGE = Gauge(
    "headrace_desk_last_merge_timestamp_seconds", "When the error desk last merged; seconds since 1970"
)

DESK_HELD_UP = Gauge("headrace_desk_held_up", "1 while something, such as the warehouse, holds the desk up")

DESK_RESTARTS = Counter("headrace_desk_restarts", "How often KCL's daemon ended and was started again")

SOURCE_FAILURES = Counter(
    "headrace_source_failures",
    "Attempts to read from a server that failed, by input and reason (connection, ended, status, malformed,"
    " too_large)",
    ["input", "reason"],
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
    "headrace_user_records_pending",
    "Records in an input's spool that Kinesis has not acknowledged",
    ["input"],
)

USER_RECORDS_PUT = Counter(
    "headrace_user_records_put", "Records that Kinesis has acknowledged, by their input", ["input"]
)

KINESIS_RECORDS_PUT = Counter(
    "headrace_kinesis_records_put",
    "Kinesis records (mostly aggregates) that were acknowledged, by their input",
    ["input"],
)

KINESIS_RECORDS_DATA_PUT = Counter(
    "headrace_kinesis_records_data_put_bytes",
    "Bytes of Kinesis records that were acknowledged, by their input",
    ["input"],
)

PUT_ERRORS = Counter(
    "headrace_errors_by_code",
    "Failed entries and requests of PutRecords, by their input and the code of the error",
    ["input", "code"],
)

RETRIES_PER_RECORD = Histogram(
    "headrace_retries_per_record",
    "How often a Kinesis record was put again before it was acknowledged",
    ["input"],
    buckets=(0, 1, 2, 3, 5, 10, 30, 100),
)

BUFFERING_SECONDS = Histogram(
    "headrace_buffering_seconds",
    "Seconds for which a Kinesis record, once full, waited for its first request",
    ["input"],
    buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)

REQUEST_SECONDS = Histogram("headrace_request_seconds", "Seconds that a PutRecords request took", ["input"])

USER_RECORDS_PER_KINESIS_RECORD = Histogram(
    "headrace_user_records_per_kinesis_record",
    "Records in each Kinesis record that was acknowledged",
    ["input"],
    buckets=(1, 3, 10, 30, 100, 300, 1000),
)

KINESIS_RECORDS_PER_REQUEST = Histogram(
    "headrace_kinesis_records_per_put_records_request",
    "Kinesis records in each PutRecords request",
    ["input"],
    buckets=(1, 3, 10, 30, 100, 300, 500),
)

USER_RECORDS_PER_REQUEST = Histogram(
    "headrace_user_records_per_put_records_request",
    "Records in each PutRecords request",
    ["input"],
    buckets=(1, 10, 100, 300, 1000, 3000, 10_000, 30_000, 100_000),
)

SHARD_RECORDS_PUT = Counter(
    "headrace_shard_records_put", "Kinesis records that a shard has taken from an input", ["input", "shard"]
)

SHARD_DATA_PUT = Counter(
    "headrace_shard_data_put_bytes", "Bytes that a shard has taken from an input", ["input", "shard"]
)

SHARD_THROTTLES = Counter(
    "headrace_shard_throttles", "Kinesis records that a shard refused for its rate", ["input", "shard"]
)

SHARD_RATE_LIMIT = Gauge(
    "headrace_shard_rate_limit_bytes_per_second",
    "How fast an input sends to a shard that has throttled; absent while there is no limit",
    ["input", "shard"],
)

SHARD_IN_FLIGHT = Gauge(
    "headrace_shard_in_flight", "Kinesis records that are under way to a shard", ["input", "shard"]
)

SHARD_WAITING = Gauge(
    "headrace_shard_waiting_bytes", "Bytes that are aggregated and wait for a shard", ["input", "shard"]
)

SHARD_OLDEST_SECONDS = Gauge(
    "headrace_shard_oldest_seconds",
    "For how long the oldest of them has waited, or is under way",
    ["input", "shard"],
)

SPOOL_BYTES = Gauge("headrace_spool_bytes", "Bytes that an input's spool takes on disk", ["input"])

SPOOL_AGE = Gauge(
    "headrace_spool_age_seconds",
    "For how long the oldest record in an input's spool has waited, seen from this process",
    ["input"],
)

SPOOL_FULL = Gauge(
    "headrace_spool_full", "1 while an input is paused because its spool has no room", ["input"]
)

HTTP_REQUESTS = Counter(
    "headrace_http_requests",
    "Requests that were pushed, by input and the answer's status",
    ["input", "status"],
)

HTTP_RECORDS = Counter(
    "headrace_http_records", "Records that were pushed and answered with 202, by input", ["input"]
)

HTTP_DURABLE_SECONDS = Histogram(
    "headrace_http_durable_seconds",
    "Seconds from a good request to its records on disk, by input",
    ["input"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)

ORPHANED_RECORDS = Gauge(
    "headrace_orphaned_records",
    "Records that wait in spools of a producer's folder which no input of its settings owns",
)

DELIVERY_RECORDS = Counter(
    "headrace_delivery_records",
    "Records that the laptop's delivery is done with, by stream and fate (delivered, dropped, failed)",
    ["stream", "fate"],
)

DELIVERY_FAILURES = Counter(
    "headrace_delivery_failures",
    "Records that it wrote to the error prefix, by stream and the service's code",
    ["stream", "code"],
)

DELIVERY_OBJECTS = Counter(
    "headrace_delivery_objects", "Objects that it wrote to the archive, by stream", ["stream"]
)

DELIVERY_FRESHNESS = Gauge(
    "headrace_delivery_freshness_seconds",
    "Age of the oldest record that it has read and not written, by stream; 0 when there is none",
    ["stream"],
)


def declared() -> dict[str, MetricWrapperBase]:
    """Every metric by its name in this module."""
    return {name: value for name, value in globals().items() if isinstance(value, MetricWrapperBase)}
