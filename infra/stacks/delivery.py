"""Firehose from each declared stream to the archive, as headrace.schemas.archive says."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk.aws_kinesisfirehose import CfnDeliveryStream as Firehose
from constructs import Construct

from headrace.schemas.archive import (
    TRANSFORM_BUFFER_BYTES,
    TRANSFORM_BUFFER_SECONDS,
    TRANSFORM_RETRIES,
    Delivery,
)
from infra.stacks.accepted import accept, accept_wildcard
from infra.stacks.key import USE, through
from infra.stacks.log_groups import declare_log_group

_MIB = 1024 * 1024
_PARTITIONING_RETRY_SECONDS = 300

_READ = ["kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
_LIST = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
_WRITE = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
_CALL = ["lambda:GetFunctionConfiguration", "lambda:InvokeFunction"]


class DeliveryStream(Construct):
    """One delivery stream with its role and its log; `transform` is called where the delivery asks for it."""

    def __init__(
        self,
        scope: Construct,
        delivery: Delivery,
        *,
        stream: kinesis.IStream,
        bucket: s3.IBucket,
        key: kms.IKey,
        transform: lambda_.IFunction,
    ) -> None:
        super().__init__(scope, f"{delivery.stream.capitalize()}Delivery")
        self._delivery, self._bucket, self._key, self._transform = delivery, bucket, key, transform
        self._group = declare_log_group(self, "Log", key)
        self._log = self._group.add_stream("Errors")
        self._role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("firehose.amazonaws.com"))
        policy = self._policy(stream)
        source = Firehose.KinesisStreamSourceConfigurationProperty(
            kinesis_stream_arn=stream.stream_arn, role_arn=self._role.role_arn
        )
        made = Firehose(
            self,
            "Stream",
            delivery_stream_type="KinesisStreamAsSource",
            kinesis_stream_source_configuration=source,
            extended_s3_destination_configuration=self._destination(),
        )
        made.node.add_dependency(policy)  # Firehose tries the role when it is made
        self.delivery_stream_name = made.ref
        accept(
            made, KDF1="Its source is an encrypted stream; Firehose takes no encryption of its own with one."
        )

    def _policy(self, stream: kinesis.IStream) -> iam.Policy:
        delivery, bucket = self._delivery, self._bucket
        prefixes = [prefix.partition("!{")[0] for prefix in (delivery.prefix, delivery.error_prefix)]
        folders = [prefix[: prefix.rindex("/") + 1] for prefix in prefixes]
        statements = [
            iam.PolicyStatement(actions=_READ, resources=[stream.stream_arn]),
            through("kinesis", self._key, ["kms:Decrypt"]),
            iam.PolicyStatement(actions=_LIST, resources=[bucket.bucket_arn]),
            iam.PolicyStatement(
                actions=_WRITE, resources=[bucket.arn_for_objects(f"{folder}*") for folder in folders]
            ),
            through("s3", self._key, USE),
            iam.PolicyStatement(actions=["logs:PutLogEvents"], resources=[self._group.log_group_arn]),
        ]
        if delivery.transformed:
            statements.append(iam.PolicyStatement(actions=_CALL, resources=[self._transform.function_arn]))
        policy = iam.Policy(self, "Policy", statements=statements, roles=[self._role])
        owner = cdk.Stack.of(self).resolve(bucket.bucket_arn)["Fn::GetAtt"][0]
        wildcards = [f"Resource::<{owner}.Arn>/{folder}*" for folder in folders]
        accept_wildcard(
            policy, *wildcards, reason="Firehose names the objects itself, below its own prefixes."
        )
        return policy

    def _destination(self) -> Firehose.ExtendedS3DestinationConfigurationProperty:
        delivery = self._delivery
        return Firehose.ExtendedS3DestinationConfigurationProperty(
            bucket_arn=self._bucket.bucket_arn,
            role_arn=self._role.role_arn,
            prefix=delivery.prefix,
            error_output_prefix=delivery.error_prefix,
            compression_format="GZIP",
            buffering_hints=Firehose.BufferingHintsProperty(
                size_in_m_bs=delivery.buffer_bytes // _MIB, interval_in_seconds=delivery.buffer_seconds
            ),
            dynamic_partitioning_configuration=Firehose.DynamicPartitioningConfigurationProperty(
                enabled=True,
                retry_options=Firehose.RetryOptionsProperty(duration_in_seconds=_PARTITIONING_RETRY_SECONDS),
            ),
            processing_configuration=Firehose.ProcessingConfigurationProperty(
                enabled=True, processors=self._processors()
            ),
            encryption_configuration=Firehose.EncryptionConfigurationProperty(
                kms_encryption_config=Firehose.KMSEncryptionConfigProperty(awskms_key_arn=self._key.key_arn)
            ),
            cloud_watch_logging_options=Firehose.CloudWatchLoggingOptionsProperty(
                enabled=True,
                log_group_name=self._group.log_group_name,
                log_stream_name=self._log.log_stream_name,
            ),
        )

    def _processors(self) -> list[Firehose.ProcessorProperty]:
        """The transform, which gives each line its end; or the keys by jq, and a line end for each record.

        Records that the KPL aggregated are taken apart before either: Firehose does so for every stream.
        """
        if self._delivery.transformed:
            return [
                _processor(
                    "Lambda",
                    LambdaArn=self._transform.function_arn,
                    NumberOfRetries=str(TRANSFORM_RETRIES),
                    BufferSizeInMBs=str(TRANSFORM_BUFFER_BYTES // _MIB),
                    BufferIntervalInSeconds=str(TRANSFORM_BUFFER_SECONDS),
                )
            ]
        query = self._delivery.partition_query or ""
        return [
            _processor("MetadataExtraction", MetadataExtractionQuery=query, JsonParsingEngine="JQ-1.6"),
            _processor("AppendDelimiterToRecord", Delimiter="\\n"),
        ]


def _processor(type_: str, **parameters: str) -> Firehose.ProcessorProperty:
    return Firehose.ProcessorProperty(
        type=type_,
        parameters=[
            Firehose.ProcessorParameterProperty(parameter_name=name, parameter_value=value)
            for name, value in parameters.items()
        ],
    )
