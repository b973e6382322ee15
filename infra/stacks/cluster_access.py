"""What the stream job may do on its cluster, and what EMR may do to run it."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from infra.stacks.accepted import accept, accept_objects, accept_wildcard
from infra.stacks.buckets import listing
from infra.stacks.cluster_buckets import CERTIFICATES, CHECKPOINTS, ClusterBuckets
from infra.stacks.key import USE, through
from infra.stacks.streams import let_read

_KEEP = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
_WRITE = ["s3:AbortMultipartUpload", "s3:PutObject"]
_LOG = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
_DISKS = [
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
]
_MANAGED = "service-role/AmazonEMRServicePolicy_v2"


class JobRole(iam.Role):
    """The role that driver and executors act as; on EC2 it is the nodes' too."""

    def __init__(self, scope: Construct, *, on_ec2: bool) -> None:
        service = "ec2" if on_ec2 else "emr-serverless"
        super().__init__(scope, "JobRole", assumed_by=iam.ServicePrincipal(f"{service}.amazonaws.com"))

    def let_run(
        self,
        *,
        events: kinesis.IStream,
        code: list[assets.Asset],
        buckets: ClusterBuckets,
        log: logs.ILogGroup,
        key: kms.IKey,
    ) -> None:
        """Read the stream and the code, keep the checkpoint, write the logs."""
        job, engine_logs = buckets.job, buckets.logs
        objects = [job.arn_for_objects(f"{CHECKPOINTS}*"), engine_logs.arn_for_objects("*")]
        let_read(self, events, key)
        for statement in (
            _let(["s3:GetObject"], *(one.bucket.arn_for_objects(one.s3_object_key) for one in code)),
            _let(_KEEP, objects[0]),
            listing(job, CHECKPOINTS),
            _let(_WRITE, objects[1]),
            through("s3", key, USE),
            _let(_LOG, log.log_group_arn),
            _let(["logs:DescribeLogGroups"], "*"),
        ):
            self.add_to_policy(statement)
        named_later = "Spark and EMR name the objects themselves, below a prefix or in a bucket of their own."
        accept_objects(self, job, CHECKPOINTS, reason=named_later)
        accept_objects(self, engine_logs, "", reason=named_later)
        accept_wildcard(self, "Resource::*", reason="Log groups are listed before one is found.")

    def let_be_a_node(self, buckets: ClusterBuckets, key: kms.IKey) -> None:
        """Unlock the node's disks, and take the certificate for what travels between nodes."""
        self.add_to_policy(_let(_DISKS, key.key_arn))
        self.add_to_policy(_let(["s3:GetObject"], buckets.job.arn_for_objects(f"{CERTIFICATES}nodes.zip")))


def declare_service_role(scope: Construct, key: kms.IKey, job_role: iam.IRole) -> iam.Role:
    """What EMR acts as to make nodes: AWS's own policy, which keeps to what is tagged for it, and our key."""
    stack = cdk.Stack.of(scope)
    ours = {"StringEquals": {"aws:SourceAccount": stack.account}}
    role = iam.Role(
        scope,
        "ServiceRole",
        assumed_by=iam.ServicePrincipal("elasticmapreduce.amazonaws.com", conditions=ours),
        managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(_MANAGED)],
    )
    to_nodes = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    for_disks = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    for statement in (
        iam.PolicyStatement(actions=["iam:PassRole"], resources=[job_role.role_arn], conditions=to_nodes),
        iam.PolicyStatement(actions=["kms:CreateGrant"], resources=[key.key_arn], conditions=for_disks),
        _let(_DISKS, key.key_arn),
    ):
        role.add_to_policy(statement)
    finding = f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{_MANAGED}]"
    accept(role, **{finding: "AWS keeps it as EMR needs it; it reaches only what is tagged for EMR."})
    return role


def _let(actions: list[str], *resources: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=list(resources))
