"""The Kinesis streams, as headrace.schemas.streams declares them."""

from datetime import timedelta

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct

from headrace.schemas.streams import STREAMS, Stream
from infra.local.streams import RETENTION_HOURS
from infra.stacks.accepted import accept
from infra.stacks.keeping import unless_there
from infra.stacks.key import through
from infra.stacks.stage import Stage

_READ = [
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
]


def declare_streams(scope: Construct, stage: Stage, key: kms.IKey) -> dict[str, kinesis.IStream]:
    """Each declared stream by its name; records outlive the stack."""
    return {name: _declare(scope, stage, key, stream) for name, stream in STREAMS.items()}


def let_read(role: iam.Role, stream: kinesis.IStream, key: kms.IKey) -> None:
    """Let the role read this stream."""
    role.add_to_policy(iam.PolicyStatement(actions=_READ, resources=[stream.stream_arn]))
    role.add_to_policy(through("kinesis", key, ["kms:Decrypt"]))


def _declare(scope: Construct, stage: Stage, key: kms.IKey, declared: Stream) -> kinesis.IStream:
    name = declared.name
    hours = RETENTION_HOURS if stage.local else declared.retention // timedelta(hours=1)
    settings = stage.file.stream
    provisioned = settings.mode == "provisioned"
    stream = kinesis.Stream(
        scope,
        name.capitalize(),
        stream_name=stage.fixed(name),
        stream_mode=kinesis.StreamMode.PROVISIONED if provisioned else kinesis.StreamMode.ON_DEMAND,
        shard_count=settings.shards if provisioned else None,
        retention_period=cdk.Duration.hours(hours),
        encryption=kinesis.StreamEncryption.KMS,
        encryption_key=key,
        removal_policy=stage.data_policy,
    )
    accept(stream, KDS3="A key of our own says who may use it; the service's key is open to the account.")
    if not stage.local:
        return stream
    unless_there(stream, f"{name.capitalize()}Stream")
    arn = cdk.Stack.of(scope).format_arn(service="kinesis", resource="stream", resource_name=name)
    return kinesis.Stream.from_stream_arn(scope, f"{name.capitalize()}ByName", arn)
