"""The alarms on the promises: streams, transform, delivery, the stream job and the producers."""

from collections.abc import Iterable, Mapping

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_

from infra.stacks.alarms import BELOW, FIVE_MINUTES, MINUTE, NO_ALARM, Alarms, metric, selected
from infra.stacks.transform import SERVICE, TIMEOUT

STALE_SECONDS = 900
_REJECTED_SHARE, _REJECTED_OF = 0.05, 100  # as the stream job's breaker judges
_LATE_SHARE, _LATE_OF = 0.05, 1_000
_PERIODS = 10  # a job that is replaced is away for some minutes
_PROVEN = {
    "MissingRecords": ("Numbers that Kinesis acknowledged are not in the ledger.", 1),
    "WrongOutputs": ("A windowed table does not add up to the records that were counted.", 1),
    "SilentSources": ("A producer has neither closed its source nor said anything for minutes.", 5),
}


def watch_stream(alarms: Alarms, name: str, stream_name: str) -> None:
    """Readers that fall behind, writers and readers that are refused."""
    dimensions = {"StreamName": stream_name}
    age = metric("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", dimensions, "Maximum")
    said = f"A reader of stream {name} is more than 15 minutes behind."
    alarms.add("IteratorAge", said, age, STALE_SECONDS * 1000, which=name)
    for word, way in (("Write", "puts to"), ("Read", "reads from")):
        throttled = metric("AWS/Kinesis", f"{word}ProvisionedThroughputExceeded", dimensions, "Sum")
        text = f"Kinesis has throttled {way} stream {name} for five minutes in a row."
        alarms.add(f"{word}Throttled", text, throttled, 0, which=name, periods=5)


def watch_transform(alarms: Alarms, function: lambda_.IFunction, namespace: str) -> None:
    """What Lambda says of the function, and what it says of the records by itself."""
    errors, throttles = function.metric_errors(period=MINUTE), function.metric_throttles(period=MINUTE)
    alarms.add("TransformErrors", "The transform failed: Firehose calls it again.", errors, 0)
    alarms.add("TransformThrottles", "Lambda has no room for the transform.", throttles, 0, periods=5)
    longest = function.metric_duration(period=MINUTE, statistic="Maximum")
    near = TIMEOUT.to_milliseconds() * 8 / 10
    alarms.add("TransformDuration", "The transform is near its time-out.", longest, near)
    told = {
        name: metric(namespace, name, {"service": SERVICE}, "Sum", FIVE_MINUTES)
        for name in ("RecordsFailed", "RecordsRejected", "RecordsDelivered")
    }
    text = "Records lie whole under the archive's error prefix: replay them."
    alarms.add("TransformFailedRecords", text, told["RecordsFailed"], 0)
    judged = {"rejected": told["RecordsRejected"], "delivered": told["RecordsDelivered"]}
    share = _share("rejected", "(rejected + delivered)", judged, of=_REJECTED_OF)
    text = "The transform rejects more than 5 % of the records."
    alarms.add("TransformRejects", text, share, _REJECTED_SHARE)


def watch_delivery(alarms: Alarms, name: str, delivery_stream_name: str) -> None:
    """An archive that is behind, that refuses, or that opens too many partitions."""
    dimensions = {"DeliveryStreamName": delivery_stream_name}
    fresh = metric("AWS/Firehose", "DeliveryToS3.DataFreshness", dimensions, "Maximum")
    text = f"Records of stream {name} wait for the archive for more than 15 minutes."
    alarms.add("DataFreshness", text, fresh, STALE_SECONDS, which=name)
    success = metric("AWS/Firehose", "DeliveryToS3.Success", dimensions, "Average", FIVE_MINUTES)
    text = f"Firehose cannot write what it reads from stream {name} to the archive."
    alarms.add("DeliveryFails", text, success, 1, which=name, comparison=BELOW)
    exceeded = metric("AWS/Firehose", "PartitionCountExceeded", dimensions, "Maximum")
    text = f"The delivery of stream {name} has more partitions open than Firehose allows."
    alarms.add("Partitions", text, exceeded, 0, which=name)


def watch_job(
    alarms: Alarms, namespace: str, stream_name: str, record_types: Iterable[str], *, must_run: bool
) -> None:
    """What the stream job says of each type's breaker, of the warehouse, and of what it proves.

    `must_run`: whether a job that says nothing is an alarm too.
    """
    missing = cloudwatch.TreatMissingData.BREACHING if must_run else NO_ALARM
    dimensions = {"Stream": stream_name}
    for record_type in record_types:
        is_open = metric(namespace, "BreakerOpen", dimensions | {"RecordType": record_type}, "Maximum")
        text = f"Too large a share of the records of {record_type} is rejected."
        alarms.add("Breaker", text, is_open, 0, which=record_type)
    lag = metric(namespace, "WarehouseLagSeconds", dimensions, "Maximum")
    text = (
        "The warehouse lacks records that arrived more than 15 minutes ago, or the stream job says nothing."
    )
    alarms.add("WarehouseLag", text, lag, STALE_SECONDS, periods=_PERIODS, missing=missing)
    for name, (text, periods) in _PROVEN.items():
        alarms.add(name, text, metric(namespace, name, dimensions, "Maximum"), 0, periods=periods)
    told = {
        name: metric(namespace, name, dimensions, "Sum", FIVE_MINUTES)
        for name in ("LateRecords", "WindowRecords")
    }
    judged = {"late": told["LateRecords"], "whole": told["WindowRecords"]}
    share = _share("late", "whole", judged, of=_LATE_OF)
    alarms.add("LateShare", "More than 5 % of the records came late for their window.", share, _LATE_SHARE)


def watch_producers(alarms: Alarms, namespace: str) -> None:
    """What every producer says of its spools, whatever their names are."""
    age = selected(namespace, "MAX(SpoolAgeSeconds)")
    text = "A record has waited in a producer's spool for more than 15 minutes."
    alarms.add("SpoolAge", text, age, STALE_SECONDS)
    text = "A producer's input is paused because its spool is full."
    alarms.add("SpoolFull", text, selected(namespace, "MAX(SpoolFull)"), 0)


def _share(
    part: str, whole: str, judged: Mapping[str, cloudwatch.IMetric], *, of: int
) -> cloudwatch.MathExpression:
    """Which part of the whole it is; of less than `of` nothing is judged."""
    return cloudwatch.MathExpression(
        expression=f"IF({whole} >= {of}, {part} / {whole}, 0)", using_metrics=judged, period=FIVE_MINUTES
    )
