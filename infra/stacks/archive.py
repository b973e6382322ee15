"""The archive's bucket, and on AWS the bucket of its access logs."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.local.environment import ARCHIVE_BUCKET
from infra.stacks.buckets import access_logs, declare_bucket
from infra.stacks.keeping import unless_there
from infra.stacks.stage import Stage

_OVERWRITTEN = cdk.Duration.days(30)  # time to notice that an object was replaced or removed
_RARELY_READ = cdk.Duration.days(30)


def declare_archive(scope: Construct, stage: Stage, key: kms.IKey) -> s3.IBucket:
    """It outlives the stack, and nothing in it expires."""
    bucket = declare_bucket(
        scope,
        "Archive",
        stage,
        key,
        rule=_lifecycle(),
        bucket_name=stage.fixed(ARCHIVE_BUCKET),
        versioned=True,
        server_access_logs_bucket=None if stage.local else access_logs(scope, stage),
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
