"""The stage's dashboard: a row for each promise, then what carries it."""

from collections.abc import Iterable, Mapping, Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.stacks.alarms import FIVE_MINUTES, metric
from infra.stacks.stage import Stage

_WIDTH, _HEIGHT = 24, 6


class Dashboard(cloudwatch.Dashboard):
    """`headrace-<stage>`: it shows metrics by their names, so that no stack needs to be there for it."""

    def __init__(self, scope: Construct, stage: Stage, streams: Mapping[str, str]) -> None:
        """`streams`: the real name of each declared one."""
        super().__init__(scope, "Dashboard", dashboard_name=f"headrace-{stage.name}")
        self._namespace, self._streams = stage.metrics, streams
        self._job = {"Stream": streams["events"]}

    def show_alarms(self, alarms: Sequence[cloudwatch.IAlarm]) -> None:
        """Which of them ring."""
        self.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms, width=_WIDTH))

    def show_promises(self) -> None:
        """What the stream job proves, how late the warehouse is, what is rejected and what comes late."""
        self._row(
            {
                "Lost, silent, wrong": self._of_job(
                    "Maximum", "MissingRecords", "SilentSources", "WrongOutputs"
                ),
                "Seconds that the warehouse is behind": [
                    *self._of_job("Maximum", "WarehouseLagSeconds"),
                    self._found("ShardBehindSeconds", "Shard,Stream", "Maximum"),
                ],
                "Records by their fate": [self._found("JobRecords", "Fate,Stream", "Sum")],
            }
        )
        self._row(
            {
                "Rejected share by type": [self._found("RejectedShare", "RecordType,Stream", "Maximum")],
                "Late records among those in windows": self._of_job("Sum", "LateRecords", "WindowRecords"),
                "Seconds of a batch": self._of_job("Average", "BatchSeconds"),
            }
        )

    def show_producers(self) -> None:
        """What waits before the stream."""
        by_input = "Input,Producer"
        self._row(
            {
                "Seconds that spooled records wait": [self._found("SpoolAgeSeconds", by_input, "Maximum")],
                "Records that wait": [self._found("UserRecordsPending", by_input, "Maximum")],
                "Inputs held up": [self._found("InputHeldUp", by_input, "Maximum")],
            }
        )

    def show_streams(self) -> None:
        """What goes through Kinesis, and how far its readers are behind."""
        self._row(
            {
                "Records that come": self._of_streams("IncomingRecords", "Sum"),
                "Milliseconds that readers are behind": self._of_streams(
                    "GetRecords.IteratorAgeMilliseconds", "Maximum"
                ),
                "Throttled": [
                    *self._of_streams("WriteProvisionedThroughputExceeded", "Sum"),
                    *self._of_streams("ReadProvisionedThroughputExceeded", "Sum"),
                ],
            }
        )

    def show_archive(self, function: lambda_.IFunction, deliveries: Iterable[str]) -> None:
        """The way to S3: the transform, and the delivery streams by their names."""
        named = [{"DeliveryStreamName": name} for name in deliveries]
        self._row(
            {
                "Seconds that the archive is behind": [
                    metric("AWS/Firehose", "DeliveryToS3.DataFreshness", one, "Maximum") for one in named
                ],
                "Share of writes that succeed": [
                    metric("AWS/Firehose", "DeliveryToS3.Success", one, "Average", FIVE_MINUTES)
                    for one in named
                ],
                "The transform's records": [
                    metric(self._namespace, name, {"service": "transform"}, "Sum", FIVE_MINUTES)
                    for name in ("RecordsDelivered", "RecordsRejected", "RecordsFailed")
                ],
                "The transform's milliseconds": [
                    function.metric_duration(statistic=statistic) for statistic in ("Average", "Maximum")
                ],
            }
        )

    def _row(self, graphs: Mapping[str, Sequence[cloudwatch.IMetric]]) -> None:
        self.add_widgets(
            *(
                cloudwatch.GraphWidget(
                    title=title, left=list(metrics), width=_WIDTH // len(graphs), height=_HEIGHT
                )
                for title, metrics in graphs.items()
            )
        )

    def _of_job(self, statistic: str, *names: str) -> list[cloudwatch.IMetric]:
        return [metric(self._namespace, name, self._job, statistic, FIVE_MINUTES) for name in names]

    def _of_streams(self, name: str, statistic: str) -> list[cloudwatch.IMetric]:
        return [
            metric("AWS/Kinesis", name, {"StreamName": real}, statistic, FIVE_MINUTES)
            for real in self._streams.values()
        ]

    def _found(self, name: str, dimensions: str, statistic: str) -> cloudwatch.IMetric:
        """A line for each that has the metric, whatever they are called."""
        seconds = FIVE_MINUTES.to_seconds()
        schema = f'{{"{self._namespace}",{dimensions}}} MetricName="{name}"'
        search = f"SEARCH('{schema}', '{statistic}', {seconds})"
        return cloudwatch.MathExpression(expression=search, label="", period=FIVE_MINUTES)
