"""The error desk stack: the consumer of `errors` as a fleet on Fargate, with its lease tables."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.container import DESK_HEALTH, STATE, USER
from infra.lease_tables import APPLICATION
from infra.network_stack import NetworkStack
from infra.stacks.accepted import accept
from infra.stacks.images import image_of
from infra.stacks.key import through
from infra.stacks.lease_tables import LeaseTables
from infra.stacks.publish import publish
from infra.stacks.stage import Stage
from infra.stacks.tasks import NO_SECRETS, accept_pulling, declare_cluster, declare_log, health, watch_service
from infra.stacks.warehouse import PORT
from infra.stream_stack import StreamStack
from infra.warehouse_stack import WarehouseStack

_READ = [
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
]
_STATE = "state"  # the volume with KCL's settings and the shards' status, which no task needs from another
_JAVA_SHARE = 0.25  # of a task's memory; the rest is the shards' processes'


class ErrorDeskStack(cdk.Stack):
    """One stage of the error desk."""

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        network: NetworkStack,
        stream: StreamStack,
        warehouse: WarehouseStack,
    ) -> None:
        super().__init__(
            scope,
            stage.stack("error-desk"),
            description=f"headrace: error desk of stage {stage.name}",
            analytics_reporting=False,
        )
        assert stage.file.error_desk is not None
        self._stage, self._wanted, self._network = stage, stage.file.error_desk, network
        errors, application = stream.streams["errors"], f"{APPLICATION}-{stage.name}"
        task = self._task()
        self._contain(task, stream.key, self._environment(errors, application, warehouse.url))
        _let_read(task.task_role, errors, stream.key)
        LeaseTables(self, stage, application, stream.key).let_use(task.task_role)
        assert isinstance(task.task_role, iam.Role)
        warehouse.let_write(task.task_role, "error-desk")
        service = self._service(task, stream.key)
        text = "Fewer tasks of the error desk run than should, for a quarter of an hour."
        watch_service(
            stream.alarms.of(self), "ErrorDeskDown", text, service=service, tasks=self._wanted.tasks
        )
        publish(self, stage, ERROR_DESK_SERVICE=f"{service.cluster.cluster_name}/{service.service_name}")

    def _task(self) -> ecs.FargateTaskDefinition:
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            cpu=self._wanted.cpu,
            memory_limit_mib=self._wanted.memory_mb,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.X86_64,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
        )
        task.add_volume(name=_STATE)
        accept(task, ECS2=NO_SECRETS)
        return task

    def _environment(self, errors: kinesis.IStream, application: str, warehouse_url: str) -> dict[str, str]:
        return {
            "AWS_REGION": self.region,
            "HEADRACE_WAREHOUSE_URL": warehouse_url,
            "HEADRACE_ERROR_STREAM": errors.stream_name,
            "HEADRACE_DESK_APPLICATION": application,
            "HEADRACE_DESK_FLEET": "true",
            "HEADRACE_DESK_FAILOVER_SECONDS": "10",
            "HEADRACE_DESK_JAVA_MEMORY": f"{round(self._wanted.memory_mb * _JAVA_SHARE)}m",
        }

    def _contain(self, task: ecs.FargateTaskDefinition, key: kms.IKey, environment: dict[str, str]) -> None:
        container = task.add_container(
            "ErrorDesk",
            image=ecs.ContainerImage.from_docker_image_asset(
                image_of(self, "Image", "error_desk.Dockerfile")
            ),
            logging=declare_log(self, "ErrorDesk", key),
            environment=environment,
            user=f"{USER}:{USER}",
            readonly_root_filesystem=True,
            health_check=health(DESK_HEALTH),
            stop_timeout=cdk.Duration.seconds(60),  # KCL's grace, and the launcher's own
        )
        container.add_mount_points(
            ecs.MountPoint(source_volume=_STATE, container_path=STATE, read_only=False)
        )
        accept_pulling(task)

    def _service(self, task: ecs.FargateTaskDefinition, key: kms.IKey) -> ecs.FargateService:
        """A new task may run beside an old one: leases keep their shards apart."""
        door = ec2.SecurityGroup(
            self,
            "Door",
            vpc=self._network.vpc,
            description="headrace: the error desk",
            allow_all_outbound=False,
        )
        inside = ec2.Peer.ipv4(self._network.cidr)
        door.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "Kinesis, DynamoDB, S3, by endpoints")
        door.add_egress_rule(inside, ec2.Port.tcp(PORT), "the warehouse")
        cluster = declare_cluster(self, self._network.vpc, key)
        service = ecs.FargateService(
            self,
            "Service",
            cluster=cluster,
            task_definition=task,
            desired_count=self._wanted.tasks,
            min_healthy_percent=50,
            max_healthy_percent=200,
            platform_version=ecs.FargatePlatformVersion.VERSION1_4,
            vpc_subnets=self._network.private,
            security_groups=[door],
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
        )
        service.node.add_dependency(cluster)  # its log first
        return service


def _let_read(role: iam.IRole, errors: kinesis.IStream, key: kms.IKey) -> None:
    for statement in (
        iam.PolicyStatement(actions=_READ, resources=[errors.stream_arn]),
        through("kinesis", key, ["kms:Decrypt"]),
    ):
        role.add_to_principal_policy(statement)
