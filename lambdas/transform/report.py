"""What one call of the transform says of itself: metrics for CloudWatch, and in the log what failed."""

import traceback

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit, single_metric

from lambdas.transform.tally import Tally

SERVICE = "transform"
_MOST_PLACES = 20  # in one line of the log

_logger = Logger(service=SERVICE)


def report(tally: Tally, namespace: str) -> None:
    """Write the metrics, in the Embedded Metric Format, and say what failed and where it lay on `events`."""
    metrics = Metrics(namespace=namespace, service=SERVICE)
    metrics.add_metric("RecordsDelivered", MetricUnit.Count, tally.delivered)
    metrics.add_metric("RecordsRejected", MetricUnit.Count, tally.rejected.total())
    metrics.add_metric("RejectsForwarded", MetricUnit.Count, tally.forwarded)
    metrics.add_metric("RecordsFailed", MetricUnit.Count, len(tally.failures))
    metrics.add_metric("ResponseBytes", MetricUnit.Bytes, tally.response_bytes)
    metrics.flush_metrics()
    for reason, number in tally.failed.items():
        with single_metric("RecordsFailed", MetricUnit.Count, number, namespace=namespace) as metric:
            metric.add_dimension("service", SERVICE)
            metric.add_dimension("code", reason)
        places = [
            f"{failure.shard}/{failure.sequence}" for failure in tally.failures if failure.reason == reason
        ]
        _logger.error("records failed", code=reason, records=number, places=places[:_MOST_PLACES])
    if tally.rejected:
        _logger.warning("records rejected", codes=dict(tally.rejected))
    for error in tally.faults[:_MOST_PLACES]:  # its text may quote a record
        where = traceback.extract_tb(error.__traceback__)[-1]
        _logger.error(
            "a fault of the transform", kind=type(error).__name__, where=f"{where.name}:{where.lineno}"
        )
