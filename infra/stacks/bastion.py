"""A host without an open port, which Session Manager reaches: by it the operator reaches the warehouse."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.stacks.accepted import accept, accept_wildcard

_WAREHOUSE = 5439
_CHANNELS = [
    f"ssmmessages:{verb}{what}Channel" for verb in ("Create", "Open") for what in ("Control", "Data")
]
_AGENT = ["ssm:UpdateInstanceInformation"]


def declare_bastion(scope: Construct, vpc: ec2.Vpc, private: ec2.SubnetSelection, cidr: str) -> ec2.Instance:
    """The smallest machine there is; it keeps nothing, and may speak to endpoints and the warehouse only."""
    network = ec2.Peer.ipv4(cidr)
    group = ec2.SecurityGroup(
        scope,
        "BastionGroup",
        vpc=vpc,
        allow_all_outbound=False,
        description="headrace: the bastion, which nobody connects to",
    )
    group.add_egress_rule(network, ec2.Port.tcp(443), "endpoints")
    group.add_egress_rule(network, ec2.Port.tcp(_WAREHOUSE), "the warehouse")
    host = ec2.Instance(
        scope,
        "Bastion",
        vpc=vpc,
        vpc_subnets=private,
        security_group=group,
        instance_type=ec2.InstanceType("t4g.nano"),
        machine_image=ec2.MachineImage.latest_amazon_linux2023(
            cpu_type=ec2.AmazonLinuxCpuType.ARM_64, cached_in_context=False
        ),
        role=_role(scope),
        http_tokens=ec2.HttpTokens.REQUIRED,
        detailed_monitoring=True,
        block_devices=[
            ec2.BlockDevice(
                device_name="/dev/xvda",
                volume=ec2.BlockDeviceVolume.ebs(8, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3),
            )
        ],
    )
    accept(host, EC29="Nothing is lost with the host: whoever needs it deploys it anew.")
    return host


def _role(scope: Construct) -> iam.Role:
    role = iam.Role(scope, "BastionRole", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    statement = iam.PolicyStatement(actions=[*_AGENT, *_CHANNELS], resources=["*"])
    policy = iam.Policy(scope, "BastionPolicy", statements=[statement], roles=[role])
    accept_wildcard(
        policy, "Resource::*", reason="A session's channel has no name before the session is begun."
    )
    return role
