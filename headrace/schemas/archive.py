"""Where the archive keeps what: the prefixes and buffers of the delivery streams, in Firehose's expressions.

The partitions go by arrival, not by event time: a replayed log would open more partitions at once than
Firehose allows (500). Source: Amazon Data Firehose Developer Guide, "Custom prefixes for Amazon S3 objects".
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Delivery:
    """One delivery stream: from a Kinesis stream to S3.

    Args:
        stream: the Kinesis stream it reads.
        prefix: of the objects that hold what was delivered.
        error_prefix: of the objects that hold what could not be; every reader takes both.
        transformed: whether the transform function splits it; else `partition_query` gives the keys.
        partition_query: jq, an object of plain paths into a record.
        buffer_bytes: of an object before compression, at most (with dynamic partitioning at least 64 MiB).
        buffer_seconds: from a record's arrival to its object; delivery may take half as long again.
    """

    stream: str
    prefix: str
    error_prefix: str
    transformed: bool
    partition_query: str | None = None
    buffer_bytes: int = 64 * 1024 * 1024
    buffer_seconds: int = 60


TRANSFORM_BUFFER_BYTES = 1024 * 1024
"""What Firehose gathers for one call of the transform: with 1 MB the answer stays below Lambda's 6 MB."""

TRANSFORM_BUFFER_SECONDS = 10

TRANSFORM_RETRIES = 3
"""After a call that failed; then every record of it goes to the error prefix."""

DELIVERIES: dict[str, Delivery] = {
    delivery.stream: delivery
    for delivery in (
        Delivery(
            stream="events",
            prefix=(
                "events/type=!{partitionKeyFromLambda:type}/date=!{partitionKeyFromLambda:date}"
                "/hour=!{partitionKeyFromLambda:hour}/"
            ),
            error_prefix="failed/events/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/",
            transformed=True,
        ),
        Delivery(
            stream="errors",
            prefix="errors/code=!{partitionKeyFromQuery:code}/date=!{timestamp:yyyy-MM-dd}/",
            error_prefix="failed/errors/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/",
            transformed=False,
            partition_query="{code: .data.code}",
        ),
    )
}
