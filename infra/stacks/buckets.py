"""How a bucket is made, the one of a stack's access logs, and who may list what is in one."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.stacks.stage import Stage

_ACCESS_LOGS = cdk.Duration.days(365)


def declare_bucket(
    scope: Construct,
    name: str,
    stage: Stage,
    key: kms.IKey,
    *,
    rule: s3.LifecycleRule,
    **more: Any,  # noqa: ANN401  as s3.Bucket takes it
) -> s3.Bucket:
    """Private, encrypted, reached by TLS only, kept with whatever holds data."""
    return s3.Bucket(
        scope,
        name,
        encryption=s3.BucketEncryption.KMS,
        encryption_key=key,
        bucket_key_enabled=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        enforce_ssl=not stage.local,  # the emulator speaks HTTP
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        lifecycle_rules=[rule],
        removal_policy=stage.data_policy,
        **more,
    )


def access_logs(scope: Construct, stage: Stage) -> s3.Bucket:
    """Where the access logs of one stack's buckets go, for a year."""
    return s3.Bucket(
        scope,
        "AccessLogs",
        encryption=s3.BucketEncryption.S3_MANAGED,  # S3 writes access logs under no other key
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        enforce_ssl=True,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        lifecycle_rules=[s3.LifecycleRule(expiration=_ACCESS_LOGS)],
        removal_policy=stage.data_policy,
    )


def listing(bucket: s3.IBucket, prefix: str) -> iam.PolicyStatement:
    """The right to list what lies below the prefix; without it S3 never says that an object is missing."""
    return iam.PolicyStatement(
        actions=["s3:ListBucket"],
        resources=[bucket.bucket_arn],
        conditions={"StringLike": {"s3:prefix": f"{prefix}*"}},
    )
