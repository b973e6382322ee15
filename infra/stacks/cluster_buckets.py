"""The cluster's buckets: the job's, with its checkpoints, and the one for the engine's own logs."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.stacks.buckets import access_logs, declare_bucket
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
        rule = s3.LifecycleRule(expiration=expires, abort_incomplete_multipart_upload_after=_UNFINISHED)
        return declare_bucket(
            self,
            name,
            self._stage,
            self._key,
            rule=rule,
            server_access_logs_bucket=self._logs_of_access,
            server_access_logs_prefix=f"{name.lower()}/",
        )
