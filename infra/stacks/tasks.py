"""What all tasks on ECS have: a cluster that is measured, a declared log, a sign of life, an alarm."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.stacks.accepted import accept_wildcard
from infra.stacks.alarms import BELOW, Alarms, metric
from infra.stacks.log_groups import declare_log_group
from infra.stacks.stage_file import ErrorDesk, Producers

NO_SECRETS = "What is in the environment is no secret; secrets come from Secrets Manager."
_MINUTES_DOWN = 15


def declare_cluster(scope: Construct, vpc: ec2.IVpc, key: kms.IKey) -> ecs.Cluster:
    """Its Container Insights count the tasks that run; they look for their log under one name."""
    cluster = ecs.Cluster(scope, "Cluster", vpc=vpc, container_insights_v2=ecs.ContainerInsights.ENABLED)
    called = f"/aws/ecs/containerinsights/{cluster.cluster_name}/performance"
    declare_log_group(cluster, "Insights", key, called=called, kept=logs.RetentionDays.ONE_WEEK)
    return cluster


def declare_log(scope: Construct, name: str, key: kms.IKey) -> ecs.LogDriver:
    """A log group of the stack's own."""
    return ecs.LogDrivers.aws_logs(
        stream_prefix=name.lower(),
        log_group=declare_log_group(scope, f"{name}Log", key),
        mode=ecs.AwsLogDriverMode.NON_BLOCKING,  # a log that cannot be written holds up no record
        max_buffer_size=cdk.Size.mebibytes(25),
    )


def declare_task(scope: Construct, name: str, wanted: Producers | ErrorDesk) -> ecs.FargateTaskDefinition:
    """A task on Fargate, as large as the stage file says."""
    return ecs.FargateTaskDefinition(
        scope,
        name,
        cpu=wanted.cpu,
        memory_limit_mib=wanted.memory_mb,
        runtime_platform=ecs.RuntimePlatform(
            cpu_architecture=ecs.CpuArchitecture.X86_64,
            operating_system_family=ecs.OperatingSystemFamily.LINUX,
        ),
    )


def health(command: Sequence[str]) -> ecs.HealthCheck:
    """A task whose command fails three times is ended, and another is started."""
    return ecs.HealthCheck(
        command=["CMD", *command],
        interval=cdk.Duration.seconds(30),
        timeout=cdk.Duration.seconds(5),
        start_period=cdk.Duration.seconds(60),
        retries=3,
    )


def accept_pulling(task: ecs.TaskDefinition) -> None:
    """The one thing about an image that ECR lets nobody narrow."""
    assert task.execution_role is not None, "a task whose image is ours pulls it"
    accept_wildcard(task.execution_role, "Resource::*", reason="A token for ECR is for all repositories.")


def watch_service(
    alarms: Alarms, page: str, text: str, *, service: ecs.BaseService, tasks: int, which: str = ""
) -> None:
    """Tell when fewer tasks run than should, or none is counted, for longer than a deployment takes."""
    dimensions = {"ClusterName": service.cluster.cluster_name, "ServiceName": service.service_name}
    running = metric("ECS/ContainerInsights", "RunningTaskCount", dimensions, "Maximum")
    alarms.add(
        page,
        text,
        running,
        tasks,
        which=which,
        periods=_MINUTES_DOWN,
        comparison=BELOW,
        missing=cloudwatch.TreatMissingData.BREACHING,
    )
