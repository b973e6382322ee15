"""The producers stack: a daemon for each name, as a service of exactly one task, its spool kept."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_secretsmanager as secrets
from aws_cdk import aws_servicediscovery as discovery
from constructs import Construct

from infra.network_stack import NetworkStack
from infra.stacks import producer_task
from infra.stacks.images import image_of
from infra.stacks.key import through
from infra.stacks.producer_host import Host
from infra.stacks.producer_inputs import read_inputs
from infra.stacks.producer_spools import Spools
from infra.stacks.publish import publish
from infra.stacks.stage import Stage
from infra.stacks.stage_stack import StageStack
from infra.stacks.tasks import accept_pulling, declare_cluster, declare_log, declare_task, watch_service
from infra.stream_stack import StreamStack

_ONE_AT_A_TIME: dict[str, Any] = {
    "desired_count": 1,
    "min_healthy_percent": 0,
    "max_healthy_percent": 100,
    "availability_zone_rebalancing": ecs.AvailabilityZoneRebalancing.DISABLED,  # it starts the new one first
    "circuit_breaker": ecs.DeploymentCircuitBreaker(rollback=True),
}


class ProducersStack(StageStack):
    """One stage of the producers.

    A task that is replaced ends before the next one starts, so that no spool ever has two daemons.
    """

    def __init__(self, scope: Construct, stage: Stage, network: NetworkStack, stream: StreamStack) -> None:
        super().__init__(scope, stage, "producers")
        assert stage.file.producers is not None
        self._wanted, self._network, self._key = stage.file.producers, network, stream.key
        self._public = network.public if self._wanted.internet else None
        self._given = self._give(stream)
        self._cluster = declare_cluster(self, network.vpc, self._key)
        if self._given.inputs.ports:
            self._cluster.add_default_cloud_map_namespace(
                name=f"headrace-{stage.name}.internal", vpc=network.vpc
            )
        self._with_machines = ecs.Cluster.from_cluster_attributes(
            self,
            "ClusterWithMachines",
            cluster_name=self._cluster.cluster_name,
            vpc=network.vpc,
            has_ec2_capacity=True,  # each producer brings its own
            default_cloud_map_namespace=self._cluster.default_cloud_map_namespace,
        )
        on_fargate = self._wanted.spool == "efs"
        self._spools = Spools(self, stage, network.vpc, network.private, self._key) if on_fargate else None
        alarms, names = stream.alarms.of(self), []
        for name in self._wanted.names:
            service = self._on_fargate(name) if on_fargate else self._on_its_own_machine(name)
            text = f"Producer {name} has not run for a quarter of an hour."
            watch_service(alarms, "ProducerDown", text, service=service, tasks=1, which=name)
            service.node.add_dependency(self._cluster)  # its log first
            names.append(f"{self._cluster.cluster_name}/{service.service_name}")
        publish(self, stage, PRODUCER_SERVICES=",".join(names))

    def _give(self, stream: StreamStack) -> producer_task.Given:
        secret = self._wanted.http_secret
        return producer_task.Given(
            image=ecs.ContainerImage.from_docker_image_asset(image_of(self, "Image", "Dockerfile")),
            log=declare_log(self, "Producers", self._key),
            inputs=read_inputs(self._wanted),
            secret=secrets.Secret.from_secret_name_v2(self, "Http", secret) if secret else None,
            streams=stream.streams,
            key=self._key,
            metrics=self._stage.metrics,
            memory_mb=self._wanted.memory_mb if self._wanted.spool == "ebs" else None,
        )

    def _on_fargate(self, name: str) -> ecs.BaseService:
        assert self._spools is not None
        task = declare_task(self, self._id("Task", name), self._wanted)
        self._spools.mount(task, name)
        self._fill(task, name)
        door = self._door(name)
        self._spools.connections.allow_default_port_from(door)
        service = ecs.FargateService(
            self,
            self._id("Service", name),
            cluster=self._cluster,
            task_definition=task,
            platform_version=ecs.FargatePlatformVersion.VERSION1_4,
            assign_public_ip=self._public is not None,
            vpc_subnets=self._public or self._network.private,
            security_groups=[door],
            **_ONE_AT_A_TIME,
        )
        service.node.add_dependency(self._spools.mount_targets_available)
        return service

    def _on_its_own_machine(self, name: str) -> ecs.BaseService:
        """On the internet the task shares the machine's address, for one of its own could not be public."""
        door = self._door(name)
        host = Host(
            self,
            self._stage,
            name,
            cluster=self._cluster,
            subnets=self._public or self._network.private,
            group=door,
            key=self._key,
        )
        shared = self._public is not None
        task = ecs.Ec2TaskDefinition(
            self,
            self._id("Task", name),
            network_mode=ecs.NetworkMode.BRIDGE if shared else ecs.NetworkMode.AWS_VPC,
        )
        host.mount(task)
        self._fill(task, name)
        service = ecs.Ec2Service(
            self,
            self._id("Service", name),
            cluster=self._with_machines,
            task_definition=task,
            placement_constraints=[host.constraint],
            vpc_subnets=None if shared else self._network.private,
            security_groups=None if shared else [door],
            cloud_map_options=self._found_as(name),
            **_ONE_AT_A_TIME,
        )
        service.node.add_dependency(host)
        return service

    def _fill(self, task: ecs.TaskDefinition, name: str) -> None:
        producer_task.fill(task, name, self._given)
        producer_task.let_put(task.task_role, self._given.streams.values(), self._key)
        accept_pulling(task)
        if self._given.inputs.ports:
            task.add_to_execution_role_policy(through("secretsmanager", self._key, ["kms:Decrypt"]))

    def _door(self, name: str) -> ec2.SecurityGroup:
        """Out: HTTPS. In: what inputs listen on, from the network's own range."""
        door = ec2.SecurityGroup(
            self,
            self._id("Door", name),
            vpc=self._network.vpc,
            description=f"headrace: producer {name}",
            allow_all_outbound=False,
        )
        door.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "Kinesis, and what sources read")
        for port in self._given.inputs.ports:
            door.add_ingress_rule(ec2.Peer.ipv4(self._network.cidr), ec2.Port.tcp(port), "pushes")
        return door

    def _found_as(self, name: str) -> ecs.CloudMapOptions | None:
        """`<name>.headrace-<stage>.internal`, where inputs listen."""
        if not self._given.inputs.ports:
            return None
        return ecs.CloudMapOptions(
            name=name, dns_record_type=discovery.DnsRecordType.A, dns_ttl=cdk.Duration.seconds(10)
        )

    @staticmethod
    def _id(what: str, name: str) -> str:
        return what + name.title().replace("-", "")
