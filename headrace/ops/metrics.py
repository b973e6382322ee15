"""Every metric that headrace exports, declared once; names follow the KPL where it has one.

Source of the KPL's names: Amazon Kinesis Producer Library, "Monitoring the KPL with Amazon CloudWatch".
"""

from prometheus_client import Histogram

__all__ = ["BATCH_SECONDS"]

BATCH_SECONDS = Histogram(
    "headrace_batch_seconds",
    "Seconds from a batch's start to its commit in the warehouse",
    buckets=(0.25, 0.5, 1, 2, 5, 10, 30, 60),
)
