"""The archive's bucket, and on AWS the bucket of its access logs."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.local.environment import ARCHIVE_BUCKET
from infra.stacks.keeping import unless_there
from infra.stacks.stage import Stage

_OVERWRITTEN = cdk.Duration.days(30)  # time to notice that an object was replaced or removed
_RARELY_READ = cdk.Duration.days(30)
_ACCESS_LOGS = cdk.Duration.days(365)


def declare_archive(scope: Construct, stage: Stage, key: kms.IKey) -> s3.IBucket:
    """Private, encrypted, reached by TLS only; it outlives the stack, and nothing in it expires."""
    bucket = s3.Bucket(
        scope,
        "Archive",
        bucket_name=stage.fixed(ARCHIVE_BUCKET),
        encryption=s3.BucketEncryption.KMS,
        encryption_key=key,
        bucket_key_enabled=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        enforce_ssl=not stage.local,  # the emulator speaks HTTP
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        versioned=True,
        lifecycle_rules=[_lifecycle()],
        server_access_logs_bucket=None if stage.local else access_logs(scope, stage),
        removal_policy=stage.data_policy,
    )
    if not stage.local:
        return bucket
    unless_there(bucket, "ArchiveBucket")
    return s3.Bucket.from_bucket_name(scope, "ArchiveByName", ARCHIVE_BUCKET)


def _lifecycle() -> s3.LifecycleRule:
    return s3.LifecycleRule(
        abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
        noncurrent_version_expiration=_OVERWRITTEN,
        transitions=[
            s3.Transition(storage_class=s3.StorageClass.INTELLIGENT_TIERING, transition_after=_RARELY_READ)
        ],
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
