"""The error desk stack: the consumer of `errors` as a fleet on Fargate, with its lease tables."""

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.container import DESK_HEALTH, STATE, USER
from infra.lease_tables import APPLICATION
from infra.stacks.accepted import accept
from infra.stacks.alarms import FIVE_MINUTES, metric
from infra.stacks.images import image_of
from infra.stacks.lease_tables import LeaseTables
from infra.stacks.publish import publish
from infra.stacks.stage import Stage
from infra.stacks.streams import let_read
from infra.stacks.tasks import (
    NO_SECRETS,
    accept_pulling,
    declare_cluster,
    declare_log,
    declare_task,
    health,
    watch_service,
)
from infra.writer_stack import Others, WriterStack

_STATE = "state"  # the volume with KCL's settings and the shards' status, which no task needs from another
_JAVA_SHARE = 0.25  # of a task's memory; the rest is the shards' processes'


class ErrorDeskStack(WriterStack):
    """One stage of the error desk."""

    def __init__(self, scope: Construct, stage: Stage, others: Others) -> None:
        super().__init__(scope, stage, "error-desk", others, "error desk")
        assert stage.file.error_desk is not None
        self._wanted = stage.file.error_desk
        errors, application = self._stream.streams["errors"], f"{APPLICATION}-{stage.name}"
        task = self._task()
        self._contain(task, self._environment(errors.stream_name, application))
        role = task.task_role
        assert isinstance(role, iam.Role)
        let_read(role, errors, self._key)
        LeaseTables(self, stage, application, self._key).let_use(role)
        self._warehouse.let_write(role, "error-desk")
        service = self._service(task)
        alarms = self._stream.alarms.of(self)
        held_up = metric(stage.metrics, "DeskHeldUp", {"Stream": errors.stream_name}, "Maximum", FIVE_MINUTES)
        text = "The error desk has run for a quarter of an hour, and something keeps it from merging."
        alarms.add("DeskHeldUp", text, held_up, 0, periods=3)
        text = "Fewer tasks of the error desk run than should, for a quarter of an hour."
        watch_service(alarms, "ErrorDeskDown", text, service=service, tasks=self._wanted.tasks)
        publish(self, stage, ERROR_DESK_SERVICE=f"{service.cluster.cluster_name}/{service.service_name}")

    def _task(self) -> ecs.FargateTaskDefinition:
        task = declare_task(self, "Task", self._wanted)
        task.add_volume(name=_STATE)
        accept(task, ECS2=NO_SECRETS)
        return task

    def _environment(self, errors: str, application: str) -> dict[str, str]:
        return {
            "AWS_REGION": self.region,
            "HEADRACE_WAREHOUSE_URL": self._warehouse.url,
            "HEADRACE_ERROR_STREAM": errors,
            "HEADRACE_DESK_APPLICATION": application,
            "HEADRACE_DESK_FLEET": "true",
            "HEADRACE_DESK_FAILOVER_SECONDS": "10",
            "HEADRACE_DESK_JAVA_MEMORY": f"{round(self._wanted.memory_mb * _JAVA_SHARE)}m",
            "HEADRACE_EMF_SECONDS": "60",
            "HEADRACE_EMF_NAMESPACE": self._stage.metrics,
        }

    def _contain(self, task: ecs.FargateTaskDefinition, environment: dict[str, str]) -> None:
        container = task.add_container(
            "ErrorDesk",
            image=ecs.ContainerImage.from_docker_image_asset(
                image_of(self, "Image", "error_desk.Dockerfile")
            ),
            logging=declare_log(self, "ErrorDesk", self._key),
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

    def _service(self, task: ecs.FargateTaskDefinition) -> ecs.FargateService:
        """A new task may run beside an old one: leases keep their shards apart."""
        cluster = declare_cluster(self, self._network.vpc, self._key)
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
            security_groups=[self._door("the error desk")],
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
        )
        service.node.add_dependency(cluster)  # its log first
        return service
