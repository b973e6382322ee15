"""The alarms: on every stream, on the transform, and on every delivery stream; all tell one topic."""

from collections.abc import Iterable, Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.stacks.transform import TIMEOUT

_MINUTE = cdk.Duration.minutes(1)
_FIVE = cdk.Duration.minutes(5)
_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
_STALE_SECONDS = 900
_REJECTED_SHARE, _REJECTED_OF = 0.05, 100  # as the stream job's breaker judges


class Alarms(Construct):
    """Makes alarms; no data is no alarm, because an idle stream has none.

    `computes`: whether an alarm can be on what is computed of metrics, which the emulator does not know.
    """

    def __init__(self, scope: Construct, key: kms.IKey, *, computes: bool) -> None:
        super().__init__(scope, "Alarms")
        self._computes = computes
        self.topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)

    def of_stream(self, name: str, stream_name: str) -> None:
        """Readers that fall behind, writers and readers that are refused."""
        dimensions = {"StreamName": stream_name}
        age = _metric("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", dimensions, "Maximum")
        said = f"A reader of stream {name}"
        self._raise(
            f"{name}IteratorAge", f"{said} is more than 15 minutes behind.", age, _STALE_SECONDS * 1000
        )
        for word, way in (("Write", "puts to"), ("Read", "reads from")):
            throttled = _metric("AWS/Kinesis", f"{word}ProvisionedThroughputExceeded", dimensions, "Sum")
            text = f"Kinesis has throttled {way} stream {name} for five minutes in a row."
            self._raise(f"{name}{word}Throttled", text, throttled, 0, periods=5)

    def of_transform(self, function: lambda_.IFunction, namespace: str, service: str) -> None:
        """What Lambda says of the function, and what it says of the records by itself."""
        errors, throttles = function.metric_errors(period=_MINUTE), function.metric_throttles(period=_MINUTE)
        self._raise("TransformErrors", "The transform failed: Firehose calls it again.", errors, 0)
        self._raise("TransformThrottles", "Lambda has no room for the transform.", throttles, 0, periods=5)
        longest = function.metric_duration(period=_MINUTE, statistic="Maximum")
        near = TIMEOUT.to_milliseconds() * 8 / 10
        self._raise("TransformDuration", "The transform is near its time-out.", longest, near)
        told = {
            name: _metric(namespace, name, {"service": service}, "Sum", _FIVE)
            for name in ("RecordsFailed", "RecordsRejected", "RecordsDelivered")
        }
        text = "Records lie whole under the archive's error prefix: replay them."
        self._raise("TransformFailedRecords", text, told["RecordsFailed"], 0)
        if self._computes:
            self._of_share(told["RecordsRejected"], told["RecordsDelivered"])

    def of_breaker(self, namespace: str, stream_name: str, record_types: Iterable[str]) -> None:
        """What the stream job's breaker says of each type, once the job reports its metrics to CloudWatch."""
        for record_type in record_types:
            dimensions = {"Stream": stream_name, "RecordType": record_type}
            is_open = _metric(namespace, "BreakerOpen", dimensions, "Maximum")
            text = f"Too large a share of the records of {record_type} is rejected."
            self._raise(f"Breaker{record_type.title().replace('.', '').replace('_', '')}", text, is_open, 0)

    def of_delivery(self, name: str, delivery_stream_name: str) -> None:
        """An archive that is behind, that refuses, or that opens too many partitions."""
        dimensions = {"DeliveryStreamName": delivery_stream_name}
        fresh = _metric("AWS/Firehose", "DeliveryToS3.DataFreshness", dimensions, "Maximum")
        text = f"Records of stream {name} wait for the archive for more than 15 minutes."
        self._raise(f"{name}DataFreshness", text, fresh, _STALE_SECONDS)
        success = _metric("AWS/Firehose", "DeliveryToS3.Success", dimensions, "Average", _FIVE)
        text = f"Firehose cannot write what it reads from stream {name} to the archive."
        self._raise(f"{name}DeliveryFails", text, success, 1, comparison=_BELOW)
        exceeded = _metric("AWS/Firehose", "PartitionCountExceeded", dimensions, "Maximum")
        text = f"The delivery of stream {name} has more partitions open than Firehose allows."
        self._raise(f"{name}Partitions", text, exceeded, 0)

    def _of_share(self, rejected: cloudwatch.IMetric, delivered: cloudwatch.IMetric) -> None:
        share = cloudwatch.MathExpression(
            expression=f"IF(rejected + delivered >= {_REJECTED_OF}, rejected / (rejected + delivered), 0)",
            using_metrics={"rejected": rejected, "delivered": delivered},
            period=_FIVE,
        )
        self._raise("TransformRejects", "The transform rejects many records.", share, _REJECTED_SHARE)

    def _raise(
        self,
        name: str,
        text: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        *,
        periods: int = 1,
        comparison: cloudwatch.ComparisonOperator = _ABOVE,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            alarm_description=text,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=comparison,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        tell = actions.SnsAction(self.topic)
        alarm.add_alarm_action(tell)
        alarm.add_ok_action(tell)


def _metric(
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    statistic: str,
    period: cdk.Duration = _MINUTE,
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dict(dimensions),
        statistic=statistic,
        period=period,
    )
