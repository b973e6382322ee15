"""Requests to EMR Serverless, made of the stage file and of what the cluster stack published.

Source: Amazon EMR Serverless API Reference; each is checked against botocore's model of it.
"""

from typing import Any

from infra.cluster.job import GRACE_SECONDS, Facts, JobSpec, environment, spark_settings, unpacked
from infra.cluster.requests import name_of
from infra.stacks.stage import Stage

Request = dict[str, Any]

_FAILURES_AN_HOUR = 5
_IDLE_MINUTES = 15


def application(stage: Stage, subnets: list[str], group: str) -> Request:
    """CreateApplication's request, but for its token: the cluster stack's template says the same."""
    wanted = stage.file.cluster
    assert wanted is not None, "the stage has a cluster"
    return {
        "name": name_of(stage),
        "releaseLabel": wanted.release,
        "type": "Spark",
        "architecture": {"x86_64": "X86_64", "aarch64": "ARM64"}[wanted.architecture],
        "maximumCapacity": {"cpu": f"{wanted.max_cpu} vCPU", "memory": f"{wanted.max_memory_gb} GB"},
        "autoStartConfiguration": {"enabled": True},
        "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": _IDLE_MINUTES},
        "networkConfiguration": {"subnetIds": subnets, "securityGroupIds": [group]},
    }


def start_application(facts: Facts) -> Request:
    """Make the application ready to run jobs."""
    return {"applicationId": facts.application}


def start_job_run(stage: Stage, facts: Facts, spec: JobSpec, token: str) -> Request:
    """The job, which the service starts anew when it fails; the same token never starts two."""
    wanted = stage.file.cluster
    assert wanted is not None, "the stage has a cluster"
    properties = spark_settings(wanted) | {"spark.archives": unpacked(spec)}
    given = {f"spark.emr-serverless.driverEnv.{name}": value for name, value in environment(spec).items()}
    log = {
        "enabled": True,
        "logGroupName": facts.log_group,
        "logStreamNamePrefix": "serverless",
        "logTypes": {"SPARK_DRIVER": ["STDERR", "STDOUT"]},
    }
    own = {"logUri": f"{facts.log_uri}/serverless/", "encryptionKeyArn": facts.key}
    return {
        "applicationId": facts.application,
        "clientToken": token,
        "executionRoleArn": facts.job_role,
        "name": run_name(stage, spec),
        "mode": "STREAMING",
        "retryPolicy": {"maxFailedAttemptsPerHour": _FAILURES_AN_HOUR},
        "jobDriver": {"sparkSubmit": {"entryPoint": spec.entry}},
        "configurationOverrides": {
            "applicationConfiguration": [
                {"classification": "spark-defaults", "properties": properties | given}
            ],
            "monitoringConfiguration": {
                "cloudWatchLoggingConfiguration": log,
                "s3MonitoringConfiguration": own,
            },
        },
    }


def run_name(stage: Stage, spec: JobSpec) -> str:
    """How a run is found again."""
    return f"{name_of(stage)} {spec.fingerprint}"


def cancel_job_run(facts: Facts, run: str) -> Request:
    """Ask the job to stop, and kill it when it has not."""
    return {
        "applicationId": facts.application,
        "jobRunId": run,
        "shutdownGracePeriodInSeconds": GRACE_SECONDS,
    }


def stop_application(facts: Facts) -> Request:
    """Give back what the application holds ready; no job may run on it."""
    return {"applicationId": facts.application}
