"""The stream stack: streams, transform, archive, delivery streams, alarms and catalog, for any stage."""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from headrace.ops.metrics import UNREADABLE
from headrace.schemas.archive import DELIVERIES
from headrace.schemas.records.producer_status import PRODUCER_STATUS
from headrace.schemas.records.reject import REJECT
from headrace.schemas.streams import STREAMS
from infra.stacks.alarms import Alarms, declare_topic
from infra.stacks.archive import declare_archive
from infra.stacks.catalog import declare_catalog
from infra.stacks.dashboard import Dashboard
from infra.stacks.delivery import DeliveryStream
from infra.stacks.key import DataKey
from infra.stacks.publish import publish
from infra.stacks.stage import Stage
from infra.stacks.stage_stack import StageStack
from infra.stacks.stream_alarms import (
    watch_delivery,
    watch_job,
    watch_producers,
    watch_stream,
    watch_transform,
)
from infra.stacks.streams import declare_streams
from infra.stacks.transform import Transform

_NOT_DATA = {REJECT.name, PRODUCER_STATUS.name}  # the breaker judges neither


class StreamStack(StageStack):
    """One stage of the stream stack.

    `bundle`: the transform's zip; without one (the local stage) the parameters CodeBucket and CodeKey say
    where it is. The local stage lacks the delivery streams, in whose place a process of ours delivers.

    Attributes:
        streams: by their declared names.
        archive: the bucket.
        key: of whatever holds data, in the other stacks too.
        alarms: `alarms.of(stack)` makes those of another stack.
    """

    def __init__(self, scope: Construct, stage: Stage, bundle: str | None = None) -> None:
        super().__init__(
            scope,
            stage,
            "stream",
            "streams, transform and archive",
            synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=not stage.local),
        )
        self.key = key = DataKey(self, "Key", stage)
        self.streams = declare_streams(self, stage, key)
        self.archive = declare_archive(self, stage, key)
        code = lambda_.Code.from_asset(bundle) if bundle else self._uploaded()
        transform = Transform(self, stage, code, self.streams["errors"], key)
        topic = declare_topic(self, stage, key)
        self.alarms = Alarms(self, stage, topic)
        self._watch(transform)
        if not stage.local:
            self._show(transform, self._deliver(transform))
        database = declare_catalog(self, stage, self.archive)
        publish(
            self,
            stage,
            EVENTS_STREAM=self.streams["events"].stream_name,
            ERRORS_STREAM=self.streams["errors"].stream_name,
            ARCHIVE_BUCKET=self.archive.bucket_name,
            ALARM_TOPIC=topic.topic_arn,
        )
        self._tell(
            EventsStreamName=self.streams["events"].stream_name,
            ErrorsStreamName=self.streams["errors"].stream_name,
            ArchiveBucketName=self.archive.bucket_name,
            TransformFunctionName=transform.function_name,
            CatalogDatabaseName=database,
            AlarmTopicArn=topic.topic_arn,
        )

    def _watch(self, transform: Transform) -> None:
        namespace, events = self._stage.metrics, self.streams["events"].stream_name
        for name, stream in self.streams.items():
            watch_stream(self.alarms, name, stream.stream_name)
        watch_transform(self.alarms, transform, namespace)
        data = [name for name in STREAMS["events"].record_types if name not in _NOT_DATA]
        must_run = self._stage.file.cluster is not None
        watch_job(self.alarms, namespace, events, [*data, UNREADABLE], must_run=must_run)
        watch_producers(self.alarms, namespace)

    def _show(self, transform: Transform, deliveries: list[str]) -> None:
        names = {name: stream.stream_name for name, stream in self.streams.items()}
        dashboard = Dashboard(self, self._stage, names)
        dashboard.show_alarms(self.alarms.made)
        dashboard.show_promises()
        dashboard.show_producers()
        dashboard.show_streams()
        dashboard.show_archive(transform, deliveries)

    def _deliver(self, transform: Transform) -> list[str]:
        """The names of the delivery streams."""
        names = []
        for name, delivery in DELIVERIES.items():
            made = DeliveryStream(
                self,
                delivery,
                stream=self.streams[name],
                bucket=self.archive,
                key=self.key,
                transform=transform,
            )
            watch_delivery(self.alarms, name, made.delivery_stream_name)
            names.append(made.delivery_stream_name)
        return names

    def _uploaded(self) -> lambda_.Code:
        bucket = cdk.CfnParameter(self, "CodeBucket", description="the bucket that holds the transform's zip")
        key = cdk.CfnParameter(self, "CodeKey", description="the zip's key there")
        place = s3.Bucket.from_bucket_name(self, "Code", bucket.value_as_string)
        return lambda_.Code.from_bucket(place, key.value_as_string)

    def _tell(self, **outputs: str) -> None:
        for name, value in outputs.items():
            cdk.CfnOutput(self, name, value=value)
