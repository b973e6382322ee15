"""The bucket that COPY loads from: what lies there is loaded within minutes, and is gone within days."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.stacks.archive import access_logs
from infra.stacks.stage import Stage

_LEFT_BEHIND = cdk.Duration.days(7)  # by writers that were killed: they remove what they loaded


def declare_staging(scope: Construct, stage: Stage, key: kms.IKey) -> s3.Bucket:
    """Private, encrypted, reached by TLS only."""
    return s3.Bucket(
        scope,
        "Staging",
        encryption=s3.BucketEncryption.KMS,
        encryption_key=key,
        bucket_key_enabled=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        enforce_ssl=True,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        lifecycle_rules=[
            s3.LifecycleRule(
                expiration=_LEFT_BEHIND, abort_incomplete_multipart_upload_after=cdk.Duration.days(1)
            )
        ],
        server_access_logs_bucket=access_logs(scope, stage),
        removal_policy=stage.data_policy,
    )
