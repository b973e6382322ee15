"""The cluster's buckets: the job's, with its checkpoints, and the one for the engine's own logs."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.stacks.archive import access_logs
from infra.stacks.stage import Stage

CHECKPOINTS, CERTIFICATES = "checkpoint/", "certificates/"
"""Prefixes of the job's bucket."""

_UNFINISHED = cdk.Duration.days(1)


class ClusterBuckets(Construct):
    """`job` holds what a job goes on with, `logs` what an engine says of itself, for as long as is asked."""

    def __init__(self, scope: Construct, stage: Stage, key: kms.IKey, log_days: int) -> None:
        super().__init__(scope, "Buckets")
        self._stage, self._key, self._logs_of_access = stage, key, access_logs(scope, stage)
        self.job = self._bucket("Job")
        self.logs = self._bucket("Logs", cdk.Duration.days(log_days))

    def _bucket(self, name: str, expires: cdk.Duration | None = None) -> s3.Bucket:
        """Private, encrypted, reached by TLS only."""
        kept = s3.LifecycleRule(expiration=expires, abort_incomplete_multipart_upload_after=_UNFINISHED)
        return s3.Bucket(
            self,
            name,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self._key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[kept],
            server_access_logs_bucket=self._logs_of_access,
            server_access_logs_prefix=f"{name.lower()}/",
            removal_policy=self._stage.data_policy,
        )
