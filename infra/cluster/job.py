"""The stream job as a cluster is asked to run it, whichever engine the cluster has."""

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from headrace.schemas.streams import QUERY_VERSION
from infra.cluster.job_archive import ENVIRONMENT
from infra.packing import PYTHON
from infra.stacks.stage_file import Cluster

EMF_SECONDS = 60
DRAIN_SECONDS = 60
GRACE_SECONDS = 120
"""Between asking a job to stop and killing it: the batch under way, and the end of Spark."""

_BATCH_BYTES = 64 << 20
_CORES = 2  # of an executor, each with a Python worker beside it


class Facts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the cluster stack publishes of what it made, as JSON; EC2's part is empty on EMR Serverless.

    Attributes:
        archive: S3 URL of the job's archive, whose name changes with its content.
        entry: S3 URL of the script that spark-submit is given.
        checkpoint: S3 URL below which each query version has a folder.
        settings: the job's settings, as environment variables; no secret is in them.
        job_role: ARN of the role that the job acts as.
        log_group: of its log, and in it its metrics.
        log_uri: S3 URL below which the engine keeps its own logs.
        key: ARN of the key that all of it is encrypted with.
        application: id of the serverless application.
        subnets: ids of the cluster's subnets.
        instance_profile: of the nodes; its role is the job's.
        service_role: of EMR itself.
        groups: ids of the security groups of the primary node, of the others, and of EMR's access.
        security_configuration: its name.
        certificate: S3 URL of the certificate for what travels between nodes.
        kdc_secret: ARN of the administrator's password of the Kerberos KDC.
    """

    archive: str
    entry: str
    checkpoint: str
    settings: dict[str, str]
    job_role: str
    log_group: str
    log_uri: str
    key: str
    application: str = ""
    subnets: tuple[str, ...] = ()
    instance_profile: str = ""
    service_role: str = ""
    groups: tuple[str, ...] = ()
    security_configuration: str = ""
    certificate: str = ""
    kdc_secret: str = ""


class JobSpec(Struct, frozen=True, kw_only=True):
    """What runs, and on what; two that are equal need not replace each other."""

    archive: str
    entry: str
    checkpoint: str
    settings: dict[str, str]
    runs_on: str

    @property
    def fingerprint(self) -> str:
        """Changes with whatever the job is made of."""
        return fingerprint(self)


def job_of(facts: Facts, wanted: Cluster, version: int = QUERY_VERSION) -> JobSpec:
    """The job that a stage should run: each query version has a checkpoint of its own."""
    return JobSpec(
        archive=facts.archive,
        entry=facts.entry,
        checkpoint=f"{facts.checkpoint.rstrip('/')}/v{version}",
        settings=facts.settings,
        runs_on=fingerprint((facts, wanted)),
    )


def fingerprint(made_of: object) -> str:
    """The same for the same contents, in any process."""
    return hashlib.sha256(msgspec.json.encode(made_of, order="deterministic")).hexdigest()[:16]


def environment(spec: JobSpec) -> dict[str, str]:
    """The driver's environment: Python finds the archive where it is unpacked."""
    return {
        **workers_environment(),
        "HEADRACE_BATCH_BYTES": str(_BATCH_BYTES),
        "HEADRACE_CHECKPOINT": spec.checkpoint,
        "HEADRACE_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "HEADRACE_EMF_SECONDS": str(EMF_SECONDS),
        "HEADRACE_LOG_FORMAT": "json",
        "HEADRACE_SPARK_MASTER": "submitted",
        "HEADRACE_STATE": "headrace",
        **spec.settings,
    }


def workers_environment() -> dict[str, str]:
    """An executor's: the workers of Python are told everything else by the driver."""
    return {"PYSPARK_PYTHON": f"/usr/bin/python{PYTHON}", "PYTHONPATH": f"./{ENVIRONMENT}"}


def unpacked(spec: JobSpec) -> str:
    """The archive as Spark is told to unpack it."""
    return f"{spec.archive}#{ENVIRONMENT}"


def spark_settings(wanted: Cluster) -> dict[str, str]:
    """Spark's properties that both engines share.

    The driver has room beside its JVM for the process that reads Kinesis ahead. The parallelism is given,
    because a query's tasks are counted once, before executors have come.
    """
    workers = {f"spark.executorEnv.{name}": value for name, value in workers_environment().items()}
    return {
        "spark.default.parallelism": str(_CORES * most_executors(wanted)),
        "spark.driver.cores": "2",
        "spark.driver.memory": "4g",
        "spark.driver.memoryOverhead": "2g",
        "spark.dynamicAllocation.maxExecutors": str(most_executors(wanted)),
        "spark.dynamicAllocation.minExecutors": "1",
        "spark.executor.cores": str(_CORES),
        "spark.executor.failuresValidityInterval": "1h",
        "spark.executor.memory": "4g",
        "spark.executor.memoryOverhead": "2g",
        "spark.rpc.message.maxSize": "256",  # MiB; a task carries its part of a batch
        "spark.speculation": "false",
        **workers,
    }


def most_executors(wanted: Cluster) -> int:
    """On EC2 one for each node; on EMR Serverless as many as the limits leave room for beside the driver."""
    if wanted.engine == "ec2":
        return max(1, wanted.core_nodes + wanted.max_task_nodes - 1)
    memory_gb = 6  # with its overhead, as the driver
    by_cpu = (wanted.max_cpu - _CORES) // _CORES
    return max(1, min(by_cpu, (wanted.max_memory_gb - memory_gb) // memory_gb))


def as_arguments(properties: Mapping[str, str]) -> list[str]:
    """Properties as arguments of spark-submit, in order."""
    return [text for name, value in sorted(properties.items()) for text in ("--conf", f"{name}={value}")]
