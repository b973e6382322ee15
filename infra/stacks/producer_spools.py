"""Spools on EFS: a folder for each producer, which its task alone may mount."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_efs as efs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.container import USER
from infra.stacks.producer_task import SPOOL
from infra.stacks.stage import Stage

_MOUNT = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]


class Spools(efs.FileSystem):
    """Encrypted, mounted by TLS only, and by roles that are allowed to.

    There is no backup: a spool put back would number records again that are sent already.
    """

    def __init__(
        self, scope: Construct, stage: Stage, vpc: ec2.IVpc, subnets: ec2.SubnetSelection, key: kms.IKey
    ) -> None:
        plain = iam.PolicyStatement(
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=[*_MOUNT, "elasticfilesystem:ClientRootAccess"],
            conditions={"Bool": {"aws:SecureTransport": "false"}},
        )
        super().__init__(
            scope,
            "Spools",
            vpc=vpc,
            vpc_subnets=subnets,
            security_group=ec2.SecurityGroup(
                scope, "SpoolsDoor", vpc=vpc, description="headrace: spools", allow_all_outbound=False
            ),
            encrypted=True,
            kms_key=key,
            throughput_mode=efs.ThroughputMode.ELASTIC,
            enable_automatic_backups=False,
            file_system_policy=iam.PolicyDocument(statements=[plain]),
            removal_policy=stage.data_policy,
        )

    def mount(self, task: ecs.TaskDefinition, name: str) -> None:
        """Give the task the folder of this name as its spool, made when it is first mounted."""
        owner = str(USER)
        point = self.add_access_point(
            f"Spool{name.title().replace('-', '')}",
            path=f"/{name}",
            create_acl=efs.Acl(owner_uid=owner, owner_gid=owner, permissions="0750"),
            posix_user=efs.PosixUser(uid=owner, gid=owner),
        )
        task.add_volume(
            name=SPOOL,
            efs_volume_configuration=ecs.EfsVolumeConfiguration(
                file_system_id=self.file_system_id,
                transit_encryption="ENABLED",
                authorization_config=ecs.AuthorizationConfig(
                    access_point_id=point.access_point_id, iam="ENABLED"
                ),
            ),
        )
        task.add_to_task_role_policy(
            iam.PolicyStatement(
                actions=_MOUNT,
                resources=[self.file_system_arn],
                conditions={
                    "StringEquals": {"elasticfilesystem:AccessPointArn": point.access_point_arn},
                    "Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"},
                },
            )
        )
