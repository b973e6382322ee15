"""The bucket that COPY loads from: what lies there is loaded within minutes, and is gone within days."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.stacks.buckets import access_logs, declare_bucket
from infra.stacks.stage import Stage

_LEFT_BEHIND = cdk.Duration.days(7)  # by writers that were killed: they remove what they loaded
_UNFINISHED = cdk.Duration.days(1)


def declare_staging(scope: Construct, stage: Stage, key: kms.IKey) -> s3.Bucket:
    """Nothing in it is needed once it is loaded."""
    rule = s3.LifecycleRule(expiration=_LEFT_BEHIND, abort_incomplete_multipart_upload_after=_UNFINISHED)
    logs = access_logs(scope, stage)
    return declare_bucket(scope, "Staging", stage, key, rule=rule, server_access_logs_bucket=logs)
