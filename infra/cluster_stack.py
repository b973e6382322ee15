"""The cluster stack: what the stream job runs on, or what its cluster is made of, and the job's archive.

A serverless application is part of it. A cluster on EC2 is not: the operator's command makes it, because it
ends by itself when nothing runs on it (docs/decisions/027).
"""

from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from infra.cluster import requests, serverless_requests
from infra.cluster.job_archive import ENTRY
from infra.stacks import cluster_access as access
from infra.stacks import cluster_nodes as nodes
from infra.stacks.cluster_alarms import watch_cluster
from infra.stacks.cluster_buckets import CERTIFICATES, CHECKPOINTS, ClusterBuckets
from infra.stacks.log_groups import declare_log_group
from infra.stacks.publish import publish
from infra.stacks.stage import Stage
from infra.writer_stack import Others, WriterStack


class ClusterStack(WriterStack):
    """One stage of the cluster; `job_archive` is the job's archive for the cluster's architecture."""

    def __init__(self, scope: Construct, stage: Stage, others: Others, *, job_archive: Path) -> None:
        super().__init__(scope, stage, "cluster", others)
        assert stage.file.cluster is not None
        self._wanted = stage.file.cluster
        self._buckets = ClusterBuckets(self, stage, self._key, self._wanted.log_days)
        self._log = declare_log_group(self, "Log", self._key)
        archive = assets.Asset(self, "JobArchive", path=str(job_archive))
        entry = assets.Asset(self, "JobEntry", path=str(ENTRY))
        role = self._role([archive, entry])
        made = self._ec2(role) if self._wanted.engine == "ec2" else self._serverless()
        facts = self._facts(archive, entry, role) | made
        publish(
            self,
            stage,
            JOB_ARCHIVE=facts["archive"],
            JOB_CHECKPOINT=facts["checkpoint"],
            CLUSTER_REQUEST=self.to_json_string(facts),
        )
        named = {"name": [{"prefix": requests.name_of(stage)}]}
        ours = {"applicationId": [made["application"]]} if "application" in made else named
        watch_cluster(self, self._stream.alarms.of(self), self._key, self._wanted.engine, ours)

    def _role(self, code: list[assets.Asset]) -> access.JobRole:
        role = access.JobRole(self, on_ec2=self._wanted.engine == "ec2")
        role.let_run(
            events=self._stream.streams["events"],
            code=code,
            buckets=self._buckets,
            log=self._log,
            key=self._key,
        )
        self._warehouse.let_write(role, "stream-job")
        return role

    def _facts(self, archive: assets.Asset, entry: assets.Asset, role: iam.IRole) -> dict[str, Any]:
        """Those fields of `infra.cluster.job.Facts` that both engines have."""
        settings = {
            "AWS_REGION": self.region,
            "HEADRACE_EMF_NAMESPACE": self._stage.metrics,
            "HEADRACE_STREAM": self._stream.streams["events"].stream_name,
            "HEADRACE_WAREHOUSE_URL": self._warehouse.url,
        }
        return {
            "archive": archive.s3_object_url,
            "entry": entry.s3_object_url,
            "checkpoint": f"s3://{self._buckets.job.bucket_name}/{CHECKPOINTS[:-1]}",
            "settings": settings,
            "job_role": role.role_arn,
            "log_group": self._log.log_group_name,
            "log_uri": f"s3://{self._buckets.logs.bucket_name}",
            "key": self._key.key_arn,
        }

    def _ec2(self, role: access.JobRole) -> dict[str, Any]:
        key = self._key
        role.let_be_a_node(self._buckets, key)
        certificate = f"s3://{self._buckets.job.bucket_name}/{CERTIFICATES}nodes.zip"
        security = nodes.declare_security(self, key, certificate, kerberos=self._wanted.kerberos)
        profile = iam.InstanceProfile(self, "Profile", role=role)
        cdk.Tags.of(self._network.vpc).add(nodes.FOR_EMR, "true")  # or EMR's own policy lets it make no node
        made = {
            "subnets": self._subnets(),
            "instance_profile": profile.instance_profile_name,
            "service_role": access.declare_service_role(self, key, role).role_arn,
            "groups": nodes.NodeGroups(self, self._network.vpc).ids,
            "security_configuration": security.ref,
            "certificate": certificate,
        }
        if self._wanted.kerberos:
            made["kdc_secret"] = nodes.declare_kdc_secret(self, key).secret_arn
        return made

    def _serverless(self) -> dict[str, Any]:
        door = self._door("the stream job")
        asked = serverless_requests.application(self._stage, self._subnets(), door.security_group_id)
        made = cdk.CfnResource(
            self, "Application", type="AWS::EMRServerless::Application", properties=_as_template(asked)
        )
        return {"application": made.ref}

    def _subnets(self) -> list[str]:
        return list(self._network.vpc.select_subnets(subnet_group_name="Private").subnet_ids)


def _as_template(asked: dict[str, Any]) -> dict[str, Any]:
    """A request of the service as a template's properties: the same names, each with a capital."""
    return {
        name[0].upper() + name[1:]: _as_template(value) if isinstance(value, dict) else value
        for name, value in asked.items()
    }
