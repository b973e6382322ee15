"""Requests to EMR on EC2, made of the stage file and of what the cluster stack published.

Source: Amazon EMR API Reference; each is checked against botocore's model of it.
"""

from typing import Any

from infra.cluster.job import (
    GRACE_SECONDS,
    Facts,
    JobSpec,
    as_arguments,
    environment,
    fingerprint,
    spark_settings,
    unpacked,
)
from infra.stacks.stage import Stage
from infra.stacks.stage_file import Cluster

Request = dict[str, Any]

CLUSTER_TAG = "headrace:cluster"
"""The tag whose value says what a cluster was asked to be."""

_FOR_EMR = {"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"}
_ATTEMPTS, _ATTEMPTS_WITHIN = 5, "1h"
_STEPS_AT_ONCE = 4  # the job's, the one that halts it, and room
_CHANGEABLE = ("ManagedScalingPolicy", "AutoTerminationPolicy", "Tags", "KerberosAttributes")
_HALT = (
    "set -o pipefail; running=$(yarn application -list"
    " -appStates NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING -appTags {tag}"
    " | awk '/^application_/ {{print $1}}') || exit 1;"
    ' for application in $running; do yarn application -kill "$application" || exit 1; done'
)


def name_of(stage: Stage) -> str:
    """The cluster's name, the tag of its applications, and how the names of the job's steps begin."""
    return stage.stack("stream-job")


def run_job_flow(stage: Stage, facts: Facts, kdc_password: str = "") -> Request:
    """The cluster, without steps. `kdc_password`: the KDC's administrator's, when the stage has Kerberos."""
    wanted = _wanted(stage)
    request: Request = {
        "Name": name_of(stage),
        "ReleaseLabel": wanted.release,
        "Applications": [{"Name": "Spark"}],
        "Configurations": _configurations(),
        "Instances": {
            "InstanceFleets": _fleets(wanted),
            "Ec2SubnetIds": list(facts.subnets),
            "EmrManagedMasterSecurityGroup": facts.groups[0],
            "EmrManagedSlaveSecurityGroup": facts.groups[1],
            "ServiceAccessSecurityGroup": facts.groups[2],
            "KeepJobFlowAliveWhenNoSteps": True,
            "TerminationProtected": False,
            "UnhealthyNodeReplacement": True,
        },
        "JobFlowRole": facts.instance_profile,
        "ServiceRole": facts.service_role,
        "SecurityConfiguration": facts.security_configuration,
        "LogUri": f"{facts.log_uri}/clusters/",
        "LogEncryptionKmsKeyId": facts.key,
        "MonitoringConfiguration": {"CloudWatchLogConfiguration": _log(facts)},
        "ScaleDownBehavior": "TERMINATE_AT_TASK_COMPLETION",
        "StepConcurrencyLevel": _STEPS_AT_ONCE,
        "EbsRootVolumeSize": 30,
        "ManagedScalingPolicy": _scaling(wanted),
        "AutoTerminationPolicy": _termination(wanted),
    }
    if wanted.kerberos:
        realm = f"{stage.name}.headrace.internal".upper()
        request["KerberosAttributes"] = {"Realm": realm, "KdcAdminPassword": kdc_password}
    return request | {"Tags": [_FOR_EMR, {"Key": CLUSTER_TAG, "Value": cluster_fingerprint(request)}]}


def cluster_fingerprint(request: Request) -> str:
    """Changes with what only a new cluster can have; scaling and idling are changed in place."""
    fixed = {name: value for name, value in request.items() if name not in _CHANGEABLE}
    return fingerprint(fixed)


def start_job(stage: Stage, cluster: str, spec: JobSpec) -> Request:
    """The job as a step. It first kills what is left of a job, and YARN starts it anew when it fails."""
    tag = name_of(stage)
    yarn = {
        "spark.yarn.am.attemptFailuresValidityInterval": _ATTEMPTS_WITHIN,
        "spark.yarn.dist.archives": unpacked(spec),
        "spark.yarn.maxAppAttempts": str(_ATTEMPTS),
        "spark.yarn.submit.waitAppCompletion": "true",
        "spark.yarn.tags": tag,
    }
    given = {f"spark.yarn.appMasterEnv.{name}": value for name, value in environment(spec).items()}
    properties = spark_settings(_wanted(stage)) | yarn | given
    submit = ["spark-submit", "--master", "yarn", "--deploy-mode", "cluster", "--name", tag]
    command = [*submit, *as_arguments(properties), spec.entry]
    script = f'{_HALT.format(tag=tag)}; exec "$@"'
    return _step(cluster, f"{tag} {spec.fingerprint}", ["bash", "-c", script, "start", *command])


def halt_job(stage: Stage, cluster: str) -> Request:
    """A step that kills the job on YARN: cancelling the job's own step ends only what waits for it."""
    return _step(cluster, halt_name(stage), ["bash", "-c", _HALT.format(tag=name_of(stage))])


def halt_name(stage: Stage) -> str:
    """The name of the step that kills the job."""
    return f"{name_of(stage)}-halt"


def cancel_steps(cluster: str, step: str) -> Request:
    """Take back a step that waits, or end the process of one that runs."""
    return {"ClusterId": cluster, "StepIds": [step], "StepCancellationOption": "SEND_INTERRUPT"}


def put_managed_scaling(stage: Stage, cluster: str) -> Request:
    """Only task nodes come and go, and only on spot."""
    return {"ClusterId": cluster, "ManagedScalingPolicy": _scaling(_wanted(stage))}


def put_auto_termination(stage: Stage, cluster: str) -> Request:
    """A cluster on which nothing runs ends by itself."""
    return {"ClusterId": cluster, "AutoTerminationPolicy": _termination(_wanted(stage))}


def terminate(cluster: str) -> Request:
    """End the cluster."""
    return {"JobFlowIds": [cluster]}


def _wanted(stage: Stage) -> Cluster:
    assert stage.file.cluster is not None, "the stage has a cluster"
    return stage.file.cluster


def _step(cluster: str, name: str, arguments: list[str]) -> Request:
    """With several steps at once, none may end the cluster or the others."""
    jar = {"Jar": "command-runner.jar", "Args": arguments}
    return {
        "JobFlowId": cluster,
        "Steps": [{"Name": name, "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}],
    }


def _fleets(wanted: Cluster) -> list[Request]:
    on_demand = {"OnDemandSpecification": {"AllocationStrategy": "lowest-price"}}
    fleets = [
        _fleet("MASTER", wanted.primary_types, on_demand, TargetOnDemandCapacity=1),
        _fleet("CORE", wanted.core_types, on_demand, TargetOnDemandCapacity=wanted.core_nodes),
    ]
    if wanted.max_task_nodes:
        spot = {
            "SpotSpecification": {
                "AllocationStrategy": "price-capacity-optimized",
                "TimeoutDurationMinutes": 10,
                "TimeoutAction": "SWITCH_TO_ON_DEMAND",
            }
        }
        fleets.append(_fleet("TASK", wanted.task_types, spot, TargetSpotCapacity=1))
    return fleets


def _fleet(kind: str, types: tuple[str, ...], launched: Request, **capacity: int) -> Request:
    disk = {"VolumeSpecification": {"VolumeType": "gp3", "SizeInGB": 64}, "VolumesPerInstance": 1}
    configurations = [
        {
            "InstanceType": name,
            "EbsConfiguration": {"EbsBlockDeviceConfigs": [disk]},
            **({"WeightedCapacity": 1} if kind != "MASTER" else {}),
            **({"BidPriceAsPercentageOfOnDemandPrice": 100.0} if kind == "TASK" else {}),
        }
        for name in types
    ]
    return {
        "Name": kind.lower(),
        "InstanceFleetType": kind,
        "InstanceTypeConfigs": configurations,
        "LaunchSpecifications": launched,
        **capacity,
    }


def _configurations() -> list[Request]:
    """YARN starts the driver as often as the job allows, on core nodes only, and lets it end in peace."""
    yarn = {
        "yarn.node-labels.am.default-node-label-expression": "CORE",
        "yarn.node-labels.enabled": "true",
        "yarn.nodemanager.sleep-delay-before-sigkill.ms": str(GRACE_SECONDS * 1000),
        "yarn.resourcemanager.am.max-attempts": str(_ATTEMPTS),
    }
    return [{"Classification": "yarn-site", "Properties": yarn}]


def _scaling(wanted: Cluster) -> Request:
    core = wanted.core_nodes
    return {
        "ComputeLimits": {
            "UnitType": "InstanceFleetUnits",
            "MinimumCapacityUnits": core,
            "MaximumCapacityUnits": core + wanted.max_task_nodes,
            "MaximumOnDemandCapacityUnits": core,
            "MaximumCoreCapacityUnits": core,
        }
    }


def _termination(wanted: Cluster) -> Request:
    return {"IdleTimeout": wanted.idle_hours * 3600}


def _log(facts: Facts) -> Request:
    return {
        "Enabled": True,
        "LogGroupName": facts.log_group,
        "LogStreamNamePrefix": "cluster",
        "LogTypes": {"SPARK_DRIVER": ["STDERR", "STDOUT"]},
    }
