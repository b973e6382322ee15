"""The stream stack: streams, transform, archive, delivery streams, alarms and catalog, for any stage."""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from headrace.schemas.archive import DELIVERIES
from headrace.schemas.records.producer_status import PRODUCER_STATUS
from headrace.schemas.records.reject import REJECT
from headrace.schemas.streams import STREAMS
from infra.stacks.alarms import Alarms
from infra.stacks.archive import declare_archive
from infra.stacks.catalog import declare_catalog
from infra.stacks.delivery import DeliveryStream
from infra.stacks.key import DataKey
from infra.stacks.stage import Stage
from infra.stacks.streams import declare_streams
from infra.stacks.transform import Transform

METRICS, SERVICE = "headrace", "transform"
"""Under which the transform, and in the same namespace the stream job, writes its metrics."""

UNREADABLE = "unreadable"
"""What the stream job calls the type of records without a declared one, in its metrics."""

_NOT_DATA = {REJECT.name, PRODUCER_STATUS.name}  # the breaker judges neither


class StreamStack(cdk.Stack):
    """One stage of the stream stack.

    `bundle`: the transform's zip; without one (the local stage) the parameters CodeBucket and CodeKey say
    where it is. The local stage lacks the delivery streams, in whose place a process of ours delivers.
    """

    def __init__(self, scope: Construct, stage: Stage, bundle: str | None = None) -> None:
        super().__init__(
            scope,
            stage.stack("stream"),
            description=f"headrace: streams, transform and archive of stage {stage.name}",
            analytics_reporting=False,
            synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=not stage.local),
        )
        key = DataKey(self, "Key", stage)
        streams = declare_streams(self, stage, key)
        archive = declare_archive(self, stage, key)
        code = lambda_.Code.from_asset(bundle) if bundle else self._uploaded()
        transform = Transform(self, stage, code, streams["errors"], key)
        alarms = Alarms(self, key, computes=not stage.local)
        for name, stream in streams.items():
            alarms.of_stream(name.capitalize(), stream.stream_name)
        alarms.of_transform(transform, METRICS, SERVICE)
        data = [name for name in STREAMS["events"].record_types if name not in _NOT_DATA]
        alarms.of_breaker(METRICS, streams["events"].stream_name, [*data, UNREADABLE])
        if not stage.local:
            for name, delivery in DELIVERIES.items():
                made = DeliveryStream(
                    self, delivery, stream=streams[name], bucket=archive, key=key, transform=transform
                )
                alarms.of_delivery(name.capitalize(), made.delivery_stream_name)
        database = declare_catalog(self, stage, archive)
        self._tell(
            **{f"{name.capitalize()}StreamName": stream.stream_name for name, stream in streams.items()}
        )
        self._tell(
            ArchiveBucketName=archive.bucket_name,
            TransformFunctionName=transform.function_name,
            CatalogDatabaseName=database,
            AlarmTopicArn=alarms.topic.topic_arn,
        )

    def _uploaded(self) -> lambda_.Code:
        bucket = cdk.CfnParameter(self, "CodeBucket", description="the bucket that holds the transform's zip")
        key = cdk.CfnParameter(self, "CodeKey", description="the zip's key there")
        place = s3.Bucket.from_bucket_name(self, "Code", bucket.value_as_string)
        return lambda_.Code.from_bucket(place, key.value_as_string)

    def _tell(self, **outputs: str) -> None:
        for name, value in outputs.items():
            cdk.CfnOutput(self, name, value=value)
