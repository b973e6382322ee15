"""What a stage file may say: `infra/stages/<stage>.toml`, one table for each stack that is wanted.

A stack whose table is missing is left out. Nothing in a stage file is a secret or an account: the account is
that of the credentials the operator deploys with.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from headrace.errors import SettingsError

FOLDER = Path(__file__).resolve().parents[1] / "stages"

Count = Annotated[int, Meta(ge=1, le=1_000)]
Architecture = Literal["x86_64", "aarch64"]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,30}$")]


class Network(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The virtual network that everything but streams, transform and archive lives in."""

    cidr: Annotated[str, "its address range"] = "10.90.0.0/16"
    zones: Annotated[tuple[str, ...], "availability zones; Redshift Serverless wants three"] = ()
    endpoint_zones: Annotated[
        int, Meta(ge=1, le=6), "in how many of them each endpoint of a service of AWS stands, and is paid for"
    ] = 2
    nat: Annotated[bool, "a NAT gateway, by which private subnets reach the internet"] = False
    access: Annotated[
        Literal["none", "bastion"], "`bastion`: a host without open ports, reached by Session Manager"
    ] = "none"


class Stream(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Streams, transform, archive, alarms and dashboard."""

    mode: Annotated[
        Literal["on-demand", "provisioned"],
        "`provisioned`: a fixed count of shards, changed by `headrace reshard` and never by itself",
    ] = "on-demand"
    shards: Annotated[Count, "of each stream, when provisioned"] = 2
    alarm_email: Annotated[str, "whom alarms are mailed to; empty: nobody"] = ""


class Warehouse(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Redshift Serverless."""

    database: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$"), "its name"] = "headrace"
    base_rpu: Annotated[
        int, Meta(ge=4, le=512), "Redshift processing units it starts with, 16 GB each: 4, or a multiple of 8"
    ] = 8
    max_rpu: Annotated[int, Meta(ge=4, le=512), "and may grow to"] = 32
    daily_rpu_hours: Annotated[Count, "RPU-hours a day, at which it turns itself off"] = 100


class Cluster(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stream job's cluster."""

    engine: Annotated[Literal["ec2", "serverless"], "EMR on EC2, or EMR Serverless in streaming mode"] = "ec2"
    release: Annotated[
        str, Meta(pattern=r"^emr-spark-\d+\.\d+\.\d+$"), "EMR's release label: one with Spark 4"
    ] = "emr-spark-8.0.0"
    architecture: Annotated[Architecture, "of its machines, for which the job's archive is built"] = "x86_64"
    primary_types: Annotated[tuple[str, ...], "instance types of the primary node"] = ("m5.xlarge",)
    core_types: Annotated[tuple[str, ...], "of the core nodes, which are on demand"] = (
        "m5.xlarge",
        "m5a.xlarge",
    )
    core_nodes: Annotated[Count, "core nodes, each a unit of capacity"] = 2
    task_types: Annotated[tuple[str, ...], "of the task nodes, on spot; four at least, alike in size"] = (
        "m5.xlarge",
        "m5a.xlarge",
        "m5d.xlarge",
        "m4.xlarge",
    )
    max_task_nodes: Annotated[int, Meta(ge=0, le=1_000), "task nodes that managed scaling may add"] = 4
    idle_hours: Annotated[int, Meta(ge=1, le=168), "idle hours after which a cluster without a job ends"] = 1
    kerberos: Annotated[bool, "Kerberos between the cluster's services, its own KDC"] = False
    log_days: Annotated[Count, "days that the cluster's logs are kept"] = 30
    max_cpu: Annotated[Count, "vCPUs that a serverless application may use"] = 16
    max_memory_gb: Annotated[Count, "and GB of memory"] = 64


class Producers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Producer daemons on ECS, one service for each."""

    names: Annotated[tuple[Name, ...], Meta(min_length=1), "one daemon each, with a spool of its own"] = (
        "feed",
    )
    config: Annotated[str, "their producers.toml, relative to the stage file"] = "producers.toml"
    spool: Annotated[
        Literal["efs", "ebs"], "`efs`: a folder each on Fargate; `ebs`: a volume each, retained, on EC2"
    ] = "efs"
    internet: Annotated[bool, "their sources are on the internet: a public subnet, HTTPS out, nothing in"] = (
        False
    )
    cpu: Annotated[Literal[256, 512, 1024, 2048, 4096], "CPU units of a task, 1,024 a core"] = 512
    memory_mb: Annotated[int, Meta(ge=512, le=30_720), "memory of a task"] = 1_024
    http_secret: Annotated[
        str, "the secret with `tokens`, `certificate` and `private_key`, where inputs listen for HTTP"
    ] = ""
    instance_type: Annotated[str, "with `ebs`: the type of each producer's machine"] = "t3.small"
    volume_gb: Annotated[Count, "with `ebs`: the size of each volume"] = 20


class ErrorDesk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The consumer of `errors` on ECS Fargate, a fleet that shares leases in DynamoDB."""

    tasks: Annotated[Count, "tasks in the fleet"] = 2
    cpu: Annotated[Literal[256, 512, 1024, 2048, 4096], "CPU units of a task, 1,024 a core"] = 1_024
    memory_mb: Annotated[int, Meta(ge=512, le=30_720), "memory of a task"] = 2_048


class StageFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stage's file, whole."""

    region: Annotated[str, Meta(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$"), "the AWS region"] = "us-east-1"
    keep_data: Annotated[bool, "whether streams, buckets, spools, keys and warehouse outlive the stacks"] = (
        True
    )
    network: Network | None = None
    stream: Stream = Stream()
    warehouse: Warehouse | None = None
    cluster: Cluster | None = None
    producers: Producers | None = None
    error_desk: ErrorDesk | None = None


_NEEDS = {
    "warehouse": ("network",),
    "cluster": ("network", "warehouse"),
    "producers": ("network",),
    "error_desk": ("network", "warehouse"),
}
_LEAST_ZONES, _LEAST_TASK_TYPES, _LEAST_RPU = 3, 4, 4


def read_stage_file(name: str, folder: Path = FOLDER) -> StageFile:
    """The file of the stage. Raises SettingsError, which names the file, the key and the remedy."""
    path = folder / f"{name}.toml"
    try:
        said = msgspec.convert(tomllib.loads(path.read_text()), StageFile, strict=True)
    except FileNotFoundError:
        there = (
            ", ".join(sorted(found.stem for found in folder.glob("*.toml") if "." not in found.stem))
            or "none"
        )
        raise SettingsError(
            f"there is no stage {name!r}: write {path}; the stages that are there: {there}"
        ) from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    if problems := list(_problems(said)):
        raise SettingsError(f"{path}:\n  " + "\n  ".join(problems))
    return said


def _problems(said: StageFile) -> Iterator[str]:
    """What each key allows and all of them together do not."""
    for stack, others in _NEEDS.items():
        for needed in others:
            if getattr(said, stack) is not None and getattr(said, needed) is None:
                yield f"[{stack}] needs [{needed}] too"
    if said.network:
        yield from _of_network(said.network, said)
    if said.warehouse:
        yield from _of_warehouse(said.warehouse)
    if said.cluster:
        yield from _of_cluster(said.cluster)
    if said.producers:
        yield from _of_producers(said.producers)
    if said.error_desk:
        yield from _of_task("error_desk", said.error_desk)


def _of_network(wanted: Network, said: StageFile) -> Iterator[str]:
    if said.warehouse and len(wanted.zones) < _LEAST_ZONES:
        yield "network.zones: the warehouse needs three availability zones"
    elif not wanted.zones:
        yield "network.zones: name one availability zone at least"
    if strange := [zone for zone in wanted.zones if not zone.startswith(said.region)]:
        yield f"network.zones: {', '.join(strange)} is not in region {said.region}"


def _of_warehouse(wanted: Warehouse) -> Iterator[str]:
    for rpu in (wanted.base_rpu, wanted.max_rpu):
        if rpu != _LEAST_RPU and rpu % 8:
            yield f"warehouse: {rpu} RPU, where Redshift Serverless takes {_LEAST_RPU} or a multiple of 8"
    if wanted.max_rpu < wanted.base_rpu:
        yield "warehouse.max_rpu is below warehouse.base_rpu"


def _of_cluster(wanted: Cluster) -> Iterator[str]:
    if wanted.max_task_nodes and len(wanted.task_types) < _LEAST_TASK_TYPES:
        yield "cluster.task_types: give four types at least, so that one that is short does not matter"
    if wanted.engine == "ec2" and (strange := _of_other_machines(wanted)):
        yield f"cluster.architecture: {', '.join(strange)} is not {wanted.architecture}"


def _of_producers(wanted: Producers) -> Iterator[str]:
    if len({name.replace("-", "") for name in wanted.names}) < len(wanted.names):
        yield "producers.names: two are the same but for their hyphens"
    if wanted.spool == "efs":
        yield from _of_task("producers", wanted)


def _of_task(table: str, wanted: Producers | ErrorDesk) -> Iterator[str]:
    """Source: Amazon ECS Developer Guide, "Task CPU and memory"."""
    least, most = 2 * wanted.cpu, 8 * wanted.cpu
    if not least <= wanted.memory_mb <= most or (wanted.memory_mb % 1024 and wanted.memory_mb != least):
        yield f"{table}.memory_mb: Fargate gives {wanted.cpu} CPU units {least} to {most} MB, by whole GB"


def _of_other_machines(cluster: Cluster) -> list[str]:
    """Instance types of the other architecture: Graviton's have a `g` after their generation."""
    named = {*cluster.primary_types, *cluster.core_types, *cluster.task_types}
    return sorted(
        name for name in named if bool(re.match(r"[a-z]+\d+g", name)) != (cluster.architecture == "aarch64")
    )
