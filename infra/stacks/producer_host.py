"""A producer's own machine and volume: the volume is kept, whatever becomes of the machine."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.container import STATE
from infra.stacks.accepted import accept, accept_wildcard
from infra.stacks.key import through
from infra.stacks.producer_task import SPOOL
from infra.stacks.stage import Stage

TAG = "headrace:producer"
_SCRIPT = Path(__file__).with_suffix(".sh")
_ROOT_DISK_GB = 30  # as the image has it

_AGENT = [
    "ecs:DeregisterContainerInstance",
    "ecs:RegisterContainerInstance",
    "ecs:SubmitAttachmentStateChanges",
    "ecs:SubmitContainerStateChange",
    "ecs:SubmitTaskStateChange",
]
_AGENT_OF_ITSELF = ["ecs:Poll", "ecs:StartTelemetrySession", "ecs:UpdateContainerInstancesState"]


class Host(Construct):
    """A group of exactly one machine, in one zone, which attaches the volume when it starts.

    A machine that fails ends before another comes, and a volume is attached to one machine at a time: so no
    spool has two daemons.
    """

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        name: str,
        *,
        cluster: ecs.ICluster,
        subnets: ec2.SubnetSelection,
        group: ec2.ISecurityGroup,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, f"Host{name.title().replace('-', '')}")
        assert stage.file.producers is not None
        self._name, self._cluster, self._group, self._key = name, cluster, group, key
        self._wanted = stage.file.producers
        subnet = cluster.vpc.select_subnets(subnet_group_name=subnets.subnet_group_name).subnets[0]
        made = subnet.node.default_child
        assert isinstance(made, ec2.CfnSubnet)
        self._volume = self._keep(stage, made.attr_availability_zone)
        machines = autoscaling.AutoScalingGroup(
            self,
            "Group",
            vpc=cluster.vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=[subnet]),
            launch_template=self._template(),
            min_capacity=1,
            max_capacity=1,
            update_policy=autoscaling.UpdatePolicy.rolling_update(
                max_batch_size=1, min_instances_in_service=0
            ),
        )
        cdk.Tags.of(machines).add(TAG, name)
        accept(machines, AS3="An alarm says when the producer does not run, for whatever reason.")

    @property
    def constraint(self) -> ecs.PlacementConstraint:
        """Where the producer's task may run: here."""
        return ecs.PlacementConstraint.member_of(f"attribute:producer == {self._name}")

    @staticmethod
    def mount(task: ecs.TaskDefinition) -> None:
        """Give the task the volume's folder as its spool."""
        task.add_volume(name=SPOOL, host=ecs.Host(source_path=f"{STATE}/spool"))

    def _keep(self, stage: Stage, zone: str) -> ec2.Volume:
        volume = ec2.Volume(
            self,
            "Volume",
            availability_zone=zone,
            size=cdk.Size.gibibytes(self._wanted.volume_gb),
            volume_type=ec2.EbsDeviceVolumeType.GP3,
            encrypted=True,
            encryption_key=self._key,
            removal_policy=stage.data_policy,
        )
        cdk.Tags.of(volume).add(TAG, self._name)
        return volume

    def _template(self) -> ec2.LaunchTemplate:
        disk = ec2.BlockDeviceVolume.ebs(
            _ROOT_DISK_GB, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3
        )
        return ec2.LaunchTemplate(
            self,
            "Template",
            machine_image=ecs.EcsOptimizedImage.amazon_linux2023(),
            instance_type=ec2.InstanceType(self._wanted.instance_type),
            security_group=self._group,
            associate_public_ip_address=True if self._wanted.internet else None,
            role=self._role(),
            require_imdsv2=True,
            http_put_response_hop_limit=1,  # so that no container reaches it
            block_devices=[ec2.BlockDevice(device_name="/dev/xvda", volume=disk)],
            user_data=self._script(),
        )

    def _script(self) -> ec2.UserData:
        known = {
            "volume": self._volume.volume_id,
            "region": cdk.Stack.of(self).region,
            "cluster": self._cluster.cluster_name,
            "producer": self._name,
        }
        lines = "".join(f"{name}='{value}'\n" for name, value in known.items())
        return ec2.UserData.custom(f"#!/bin/bash\n{lines}{_SCRIPT.read_text()}")

    def _role(self) -> iam.Role:
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
        stack, cluster = cdk.Stack.of(self), self._cluster.cluster_arn
        machine = stack.format_arn(service="ec2", resource="instance", resource_name="*")
        volume = stack.format_arn(service="ec2", resource="volume", resource_name=self._volume.volume_id)
        mine = {"StringEquals": {f"aws:ResourceTag/{TAG}": self._name}}
        here = {"ArnEquals": {"ecs:cluster": cluster}}
        encrypted = through("ec2", self._key, ["kms:CreateGrant"])
        encrypted.add_condition("Bool", {"kms:GrantIsForAWSResource": "true"})
        for statement in (
            iam.PolicyStatement(actions=["ec2:AttachVolume"], resources=[volume, machine], conditions=mine),
            encrypted,
            through("ec2", self._key, ["kms:Decrypt", "kms:DescribeKey"]),
            iam.PolicyStatement(actions=_AGENT, resources=[cluster]),
            iam.PolicyStatement(actions=_AGENT_OF_ITSELF, resources=["*"], conditions=here),
            iam.PolicyStatement(actions=["ecs:DiscoverPollEndpoint"], resources=["*"]),
        ):
            role.add_to_policy(statement)
        self._accept(role)
        return role

    def _accept(self, role: iam.Role) -> None:
        machine = "Resource::arn:<AWS::Partition>:ec2:<AWS::Region>:<AWS::AccountId>:instance/*"
        accept_wildcard(role, machine, reason="A machine has no name beforehand; a tag keeps to its own.")
        accept_wildcard(
            role, "Resource::*", reason="The agent's own calls, in its own cluster: a condition says so."
        )
