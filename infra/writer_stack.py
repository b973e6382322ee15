"""What the stacks of the warehouse's two writers begin with: the stream job's, and the error desk's."""

from typing import NamedTuple

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.network_stack import NetworkStack
from infra.stacks.stage import Stage
from infra.stacks.stage_stack import StageStack
from infra.stacks.warehouse import PORT
from infra.stream_stack import StreamStack
from infra.warehouse_stack import WarehouseStack


class Others(NamedTuple):
    """The stacks that a writer's needs."""

    network: NetworkStack
    stream: StreamStack
    warehouse: WarehouseStack


class WriterStack(StageStack):
    """One stage of what reads a stream and writes to the warehouse, in the private subnets."""

    def __init__(self, scope: Construct, stage: Stage, part: str, others: Others, holds: str = "") -> None:
        super().__init__(scope, stage, part, holds)
        self._network, self._stream, self._warehouse = others
        self._key = others.stream.key

    def _door(self, what: str) -> ec2.SecurityGroup:
        """Out: HTTPS to AWS, and to the warehouse. Nothing in."""
        door = ec2.SecurityGroup(
            self, "Door", vpc=self._network.vpc, description=f"headrace: {what}", allow_all_outbound=False
        )
        door.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS, by endpoints")
        door.add_egress_rule(ec2.Peer.ipv4(self._network.cidr), ec2.Port.tcp(PORT), "the warehouse")
        return door
