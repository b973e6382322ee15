"""The network stack: subnets in the zones that the stage file names, and the ways from them to AWS."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.stacks.bastion import declare_bastion
from infra.stacks.endpoints import endpoints
from infra.stacks.gateways import add_gateways
from infra.stacks.key import DataKey
from infra.stacks.log_groups import declare_log_group
from infra.stacks.stage import Stage
from infra.stacks.stage_file import Network
from infra.stacks.stage_stack import StageStack

_PRIVATE, _PUBLIC = "Private", "Public"
_HTTPS = 443


class NetworkStack(StageStack):
    """One stage of the network.

    Attributes:
        vpc: the network.
        cidr: its address range; as text, because a check of a rule for an unknown range fails.
        private: subnets that nobody reaches from outside; they reach the internet by NAT, if there is one.
        public: subnets with a way to the internet; only where something asks for them.
        endpoints: the group of the interface endpoints, which lets in HTTPS from the whole network.
    """

    def __init__(self, scope: Construct, stage: Stage) -> None:
        super().__init__(scope, stage, "network")
        file = stage.file
        wanted = file.network or Network()
        has_public = wanted.nat or (file.producers is not None and file.producers.internet)
        self.cidr = wanted.cidr
        self.vpc = _network(self, wanted, has_public=has_public)
        self.private = ec2.SubnetSelection(subnet_group_name=_PRIVATE)
        self.public = ec2.SubnetSelection(subnet_group_name=_PUBLIC) if has_public else None
        add_gateways(self.vpc, file.region)
        self.endpoints = self._endpoints(wanted, endpoints(file))
        _log_flows(self, stage, self.vpc)
        if wanted.access == "bastion":
            host = declare_bastion(self, self.vpc, self.private, self.cidr)
            cdk.CfnOutput(self, "BastionInstanceId", value=host.instance_id)

    def _endpoints(self, wanted: Network, names: list[str]) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self,
            "Endpoints",
            vpc=self.vpc,
            allow_all_outbound=False,
            description="headrace: endpoints of services of AWS",
        )
        group.add_ingress_rule(ec2.Peer.ipv4(self.cidr), ec2.Port.tcp(_HTTPS), "the network")
        zones = list(wanted.zones[: wanted.endpoint_zones])
        for name in names:
            self.vpc.add_interface_endpoint(
                "".join(word.capitalize() for word in name.replace(".", "-").split("-")) + "Endpoint",
                service=ec2.InterfaceVpcEndpointAwsService(name),
                subnets=ec2.SubnetSelection(subnet_group_name=_PRIVATE, availability_zones=zones),
                security_groups=[group],
                open=False,
                private_dns_enabled=True,
            )
        return group


def _network(scope: Construct, wanted: Network, *, has_public: bool) -> ec2.Vpc:
    """The public subnets have their place in the address range in any case, so that it never moves."""
    kind = ec2.SubnetType.PRIVATE_WITH_EGRESS if wanted.nat else ec2.SubnetType.PRIVATE_ISOLATED
    return ec2.Vpc(
        scope,
        "Vpc",
        ip_addresses=ec2.IpAddresses.cidr(wanted.cidr),
        availability_zones=list(wanted.zones),
        nat_gateways=1 if wanted.nat else 0,
        create_internet_gateway=has_public,
        restrict_default_security_group=False,  # it takes a custom resource, and nothing is in that group
        subnet_configuration=[
            ec2.SubnetConfiguration(name=_PRIVATE, subnet_type=kind),
            ec2.SubnetConfiguration(
                name=_PUBLIC,
                subnet_type=ec2.SubnetType.PUBLIC,
                map_public_ip_on_launch=False,
                reserved=not has_public,
            ),
        ],
    )


def _log_flows(scope: Construct, stage: Stage, vpc: ec2.Vpc) -> None:
    """Who spoke to whom, for a month."""
    key = DataKey(scope, "Key", stage)
    group = declare_log_group(scope, "FlowLog", key, kept=logs.RetentionDays.ONE_MONTH)
    vpc.add_flow_log("Flows", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group))
