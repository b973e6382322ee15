"""A producer's task, wherever its spool lies: its containers, what it is given, and what it may do."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secrets

from infra.container import FILES, PRODUCER_HEALTH, STATE, USER, WRITE_FILES
from infra.stacks.accepted import accept
from infra.stacks.key import through
from infra.stacks.producer_inputs import STREAM, Inputs
from infra.stacks.tasks import NO_SECRETS, health

SPOOL, GIVEN = "spool", "files"  # volumes
_DRAIN = cdk.Duration.seconds(90)  # as the image and the systemd unit give it
_LITTLE_MB = 128
_TLS = {"tokens": "HTTP_TOKENS", "certificate": "HTTP_CERTIFICATE", "private_key": "HTTP_PRIVATE_KEY"}
_PUT = ["kinesis:DescribeStreamSummary", "kinesis:ListShards", "kinesis:PutRecords"]


class Given(NamedTuple):
    """What every producer of a stage is given; `memory_mb` where the task itself has no limit."""

    image: ecs.ContainerImage
    log: ecs.LogDriver
    inputs: Inputs
    secret: secrets.ISecret | None
    streams: Mapping[str, kinesis.IStream]
    key: kms.IKey
    metrics: str
    memory_mb: int | None


def fill(task: ecs.TaskDefinition, name: str, given: Given) -> ecs.ContainerDefinition:
    """Add the containers: one writes the files and ends, then the producer comes.

    A setting that changes makes another task definition, so that the producer is started anew with it.
    """
    task.add_volume(name=GIVEN)
    first, producer = _files(task, given), _producer(task, name, given)
    producer.add_container_dependencies(
        ecs.ContainerDependency(container=first, condition=ecs.ContainerDependencyCondition.SUCCESS)
    )
    for port in given.inputs.ports:
        producer.add_port_mappings(ecs.PortMapping(container_port=port))
    accept(task, ECS2=NO_SECRETS)
    return producer


def let_put(role: iam.IRole, streams: Iterable[kinesis.IStream], key: kms.IKey) -> None:
    """Let the role send, to these streams and no other."""
    arns = [stream.stream_arn for stream in streams]
    for statement in (
        iam.PolicyStatement(actions=_PUT, resources=arns),
        through("kinesis", key, ["kms:GenerateDataKey"]),
    ):
        role.add_to_principal_policy(statement)


def _files(task: ecs.TaskDefinition, given: Given) -> ecs.ContainerDefinition:
    text = given.inputs.text.replace(STREAM, given.streams["events"].stream_name)
    wanted, hidden = ["producers.toml=PRODUCERS_TOML"], {}
    if given.secret and given.inputs.ports:
        wanted += [f"{field}={variable}" for field, variable in _TLS.items()]
        hidden = {
            variable: ecs.Secret.from_secrets_manager(given.secret, field) for field, variable in _TLS.items()
        }
    container = task.add_container(
        "Files",
        image=given.image,
        logging=given.log,
        memory_limit_mib=given.memory_mb and _LITTLE_MB,
        essential=False,
        entry_point=[*WRITE_FILES],
        command=wanted,
        environment={"PRODUCERS_TOML": text},
        secrets=hidden,
        user=f"{USER}:{USER}",
        readonly_root_filesystem=True,
    )
    container.add_mount_points(ecs.MountPoint(source_volume=GIVEN, container_path=FILES, read_only=False))
    return container


def _producer(task: ecs.TaskDefinition, name: str, given: Given) -> ecs.ContainerDefinition:
    container = task.add_container(
        "Producer",
        image=given.image,
        logging=given.log,
        memory_limit_mib=given.memory_mb,
        command=["--config", f"{FILES}/producers.toml"],
        environment={
            "AWS_REGION": cdk.Stack.of(task).region,
            "HEADRACE_PRODUCER_NAME": name,  # a host's name changes with each task, a source's must not
            "HEADRACE_HEALTH_HOST": "127.0.0.1",
            "HEADRACE_EMF_SECONDS": "60",
            "HEADRACE_EMF_NAMESPACE": given.metrics,
        },
        user=f"{USER}:{USER}",
        readonly_root_filesystem=True,
        health_check=health(PRODUCER_HEALTH),
        stop_timeout=_DRAIN,
    )
    container.add_mount_points(
        ecs.MountPoint(source_volume=GIVEN, container_path=FILES, read_only=True),
        ecs.MountPoint(source_volume=SPOOL, container_path=STATE, read_only=False),
    )
    return container
