import functools
import itertools
import shlex
import subprocess
from pathlib import Path
from typing import Any

import botocore.session
import msgspec
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from infra.cluster import requests, serverless_requests
from infra.cluster.job import environment, job_of, most_executors
from infra.stacks.stage import Stage
from infra.stacks.stage_file import Cluster
from tests.infra.cluster.stages import CLUSTERS, facts, stage_with

EC2 = {name: stage for name, stage in CLUSTERS.items() if stage.file.cluster.engine == "ec2"}  # type: ignore[union-attr]

TYPES = st.lists(
    st.sampled_from(("m5.xlarge", "m5a.xlarge", "m6g.2xlarge", "r5.4xlarge")), min_size=1, max_size=5
)
FILES = st.builds(
    Cluster,
    engine=st.sampled_from(("ec2", "serverless")),
    architecture=st.sampled_from(("x86_64", "aarch64")),
    primary_types=TYPES.map(tuple),
    core_types=TYPES.map(tuple),
    core_nodes=st.integers(1, 1000),
    task_types=TYPES.map(tuple),
    max_task_nodes=st.integers(0, 1000),
    idle_hours=st.integers(1, 168),
    kerberos=st.booleans(),
    max_cpu=st.integers(1, 1000),
    max_memory_gb=st.integers(1, 1000),
)


@functools.cache
def shape(service: str, operation: str) -> Any:
    model = botocore.session.get_session().get_service_model(service)
    return model.operation_model(operation).input_shape


def refused(service: str, operation: str, request: dict[str, Any]) -> str:
    """What botocore's model of the operation finds wrong."""
    return str(ParamValidator().validate(request, shape(service, operation)).generate_report())


def of_emr(stage: Stage) -> dict[str, dict[str, Any]]:
    spec = job_of(facts(), Cluster())
    return {
        "RunJobFlow": requests.run_job_flow(stage, facts(), "a password"),
        "AddJobFlowSteps": requests.start_job(stage, "j-1", spec),
        "AddJobFlowSteps ": requests.halt_job(stage, "j-1"),
        "CancelSteps": requests.cancel_steps("j-1", "s-1"),
        "PutManagedScalingPolicy": requests.put_managed_scaling(stage, "j-1"),
        "PutAutoTerminationPolicy": requests.put_auto_termination(stage, "j-1"),
        "TerminateJobFlows": requests.terminate("j-1"),
    }


def of_serverless(stage: Stage) -> dict[str, dict[str, Any]]:
    token = {"clientToken": "t"}
    return {
        "CreateApplication": serverless_requests.application(stage, ["subnet-1"], "sg-1") | token,
        "StartApplication": serverless_requests.start_application(facts()),
        "StartJobRun": serverless_requests.start_job_run(stage, facts(), job_of(facts(), Cluster()), "t"),
        "CancelJobRun": serverless_requests.cancel_job_run(facts(), "00f1"),
        "StopApplication": serverless_requests.stop_application(facts()),
    }


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_request_of_every_stage_is_one_that_the_service_knows(name: str) -> None:
    for operation, request in of_emr(CLUSTERS[name]).items():
        assert refused("emr", operation.strip(), request) == ""
    for operation, request in of_serverless(CLUSTERS[name]).items():
        assert refused("emr-serverless", operation, request) == ""


def test_a_request_that_the_service_does_not_know_is_found() -> None:
    request = requests.run_job_flow(stage_with(Cluster()), facts()) | {"Instances": {"Ec2SubnetIds": "one"}}
    assert "Ec2SubnetIds" in refused("emr", "RunJobFlow", request)


@given(FILES)
def test_whatever_a_stage_file_may_say_makes_requests_that_the_services_know(cluster: Cluster) -> None:
    stage = stage_with(cluster)
    for operation, request in of_emr(stage).items():
        assert refused("emr", operation.strip(), request) == ""
    for operation, request in of_serverless(stage).items():
        assert refused("emr-serverless", operation, request) == ""
    assert most_executors(cluster) >= 1


@pytest.mark.parametrize("name", EC2)
def test_the_cluster_has_three_fleets_and_only_spot_nodes_come_and_go(name: str) -> None:
    stage = EC2[name]
    wanted = stage.file.cluster
    assert wanted is not None
    request = requests.run_job_flow(stage, facts())
    fleets = {fleet["InstanceFleetType"]: fleet for fleet in request["Instances"]["InstanceFleets"]}
    assert set(fleets) == {"MASTER", "CORE", "TASK"}
    assert fleets["CORE"]["TargetOnDemandCapacity"] == wanted.core_nodes
    assert "TargetOnDemandCapacity" not in fleets["TASK"]
    assert len(fleets["TASK"]["InstanceTypeConfigs"]) >= 4
    spot = fleets["TASK"]["LaunchSpecifications"]["SpotSpecification"]
    assert (spot["AllocationStrategy"], spot["TimeoutAction"]) == (
        "price-capacity-optimized",
        "SWITCH_TO_ON_DEMAND",
    )
    limits = request["ManagedScalingPolicy"]["ComputeLimits"]
    assert limits["UnitType"] == "InstanceFleetUnits"
    assert limits["MaximumCoreCapacityUnits"] == limits["MaximumOnDemandCapacityUnits"] == wanted.core_nodes
    assert limits["MaximumCapacityUnits"] == wanted.core_nodes + wanted.max_task_nodes
    assert request["AutoTerminationPolicy"] == {"IdleTimeout": wanted.idle_hours * 3600}
    assert request["LogEncryptionKmsKeyId"] == facts().key
    assert request["SecurityConfiguration"] == facts().security_configuration


def test_kerberos_is_asked_for_only_by_a_stage_that_has_it() -> None:
    assert "KerberosAttributes" not in requests.run_job_flow(stage_with(Cluster()), facts(), "secret")
    request = requests.run_job_flow(stage_with(Cluster(kerberos=True)), facts(), "secret")
    assert request["KerberosAttributes"] == {"Realm": "SOME.HEADRACE.INTERNAL", "KdcAdminPassword": "secret"}


def fingerprint(cluster: Cluster, password: str = "") -> str:
    return requests.cluster_fingerprint(requests.run_job_flow(stage_with(cluster), facts(), password))


def test_a_cluster_is_made_anew_for_what_cannot_be_changed_in_place_and_for_nothing_else() -> None:
    same = {
        fingerprint(Cluster()),
        fingerprint(Cluster(max_task_nodes=9)),
        fingerprint(Cluster(idle_hours=9)),
    }
    assert len(same) == 1
    others = {fingerprint(Cluster(release="emr-spark-8.1.0")), fingerprint(Cluster(core_nodes=3))}
    assert len(same | others) == 3
    kerberos = Cluster(kerberos=True)
    assert fingerprint(kerberos, "one") == fingerprint(kerberos, "two")


def arguments(request: dict[str, Any]) -> list[str]:
    (step,) = request["Steps"]
    return list(step["HadoopJarStep"]["Args"])


def test_the_step_submits_the_archive_to_yarn_with_its_settings() -> None:
    spec = job_of(facts(), Cluster())
    given_ = arguments(requests.start_job(stage_with(Cluster()), "j-1", spec))
    submitted = given_[given_.index("spark-submit") :]
    assert submitted[-1] == spec.entry
    properties = dict(text.split("=", 1) for text in submitted if text.startswith("spark."))
    assert submitted.count("--conf") == len(properties)
    assert properties["spark.yarn.dist.archives"] == "s3://assets/0123.zip#environment"
    assert properties["spark.executorEnv.PYTHONPATH"] == "./environment"
    assert properties["spark.yarn.maxAppAttempts"] == "5"
    for name, value in environment(spec).items():
        assert properties[f"spark.yarn.appMasterEnv.{name}"] == value
    assert ("--deploy-mode", "cluster") in list(itertools.pairwise(submitted))


def run_step(folder: Path, *, yarn: str) -> tuple[int, list[str]]:
    """Run the job's step with a `yarn` of this text; its exit code, and what it was to submit."""
    (folder / "yarn").write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\n{yarn}\n')
    (folder / "spark-submit").write_text(f'#!/bin/sh\nfor one; do echo "$one"; done > {folder}/submitted\n')
    for program in ("yarn", "spark-submit"):
        (folder / program).chmod(0o755)
    command = arguments(requests.start_job(stage_with(Cluster()), "j-1", job_of(facts(), Cluster())))
    done = subprocess.run(command, env={"PATH": f"{folder}:/usr/bin:/bin"}, check=False)
    return done.returncode, command[command.index("spark-submit") + 1 :]


RUNNING = "if [ $2 = -list ]; then echo Total; echo 'application_1_0001 a'; echo 'application_1_0002 b'; fi"


def test_a_step_kills_what_is_left_of_a_job_before_it_submits_one(tmp_path: Path) -> None:
    code, submitted = run_step(tmp_path, yarn=RUNNING)
    asked = [shlex.split(line) for line in (tmp_path / "asked").read_text().splitlines()]
    assert asked[0][:2] == ["application", "-list"]
    assert asked[0][-2:] == ["-appTags", "headrace-some-stream-job"]
    assert [line[1:] for line in asked[1:]] == [
        ["-kill", "application_1_0001"],
        ["-kill", "application_1_0002"],
    ]
    assert (code, (tmp_path / "submitted").read_text().splitlines()) == (0, submitted)


@pytest.mark.parametrize("refused_call", ["-list", "-kill"])
def test_a_step_that_cannot_tell_or_kill_what_is_left_submits_nothing(
    tmp_path: Path, refused_call: str
) -> None:
    code, _ = run_step(tmp_path, yarn=f"if [ $2 = {refused_call} ]; then exit 1; fi; {RUNNING}")
    assert code == 1
    assert not (tmp_path / "submitted").exists()


def test_the_serverless_job_is_a_stream_that_is_started_anew_and_may_end_in_peace() -> None:
    stage = stage_with(Cluster(engine="serverless"))
    request = serverless_requests.start_job_run(stage, facts(), job_of(facts(), Cluster()), "t")
    assert (request["mode"], request["retryPolicy"]) == ("STREAMING", {"maxFailedAttemptsPerHour": 5})
    (defaults,) = request["configurationOverrides"]["applicationConfiguration"]
    properties = defaults["properties"]
    assert properties["spark.archives"] == "s3://assets/0123.zip#environment"
    assert properties["spark.emr-serverless.driverEnv.PYTHONPATH"] == "./environment"
    assert properties["spark.emr-serverless.driverEnv.HEADRACE_CHECKPOINT"].endswith("/checkpoint/v1")
    assert serverless_requests.cancel_job_run(facts(), "1")["shutdownGracePeriodInSeconds"] >= 60


def test_a_query_version_has_a_checkpoint_of_its_own_and_an_archive_has_not() -> None:
    one, two = job_of(facts(), Cluster(), 1), job_of(facts(), Cluster(), 2)
    other = job_of(facts(archive="s3://assets/89ab.zip"), Cluster(), 1)
    assert (one.checkpoint, two.checkpoint) == (
        "s3://headrace-job/checkpoint/v1",
        "s3://headrace-job/checkpoint/v2",
    )
    assert other.checkpoint == one.checkpoint
    assert len({one.fingerprint, two.fingerprint, other.fingerprint}) == 3
    assert msgspec.structs.replace(one).fingerprint == one.fingerprint


@pytest.mark.parametrize("wanted", [Cluster(max_task_nodes=9), Cluster(release="emr-spark-8.1.0")])
def test_a_job_on_something_else_is_another_job_with_the_same_checkpoint(wanted: Cluster) -> None:
    here, there = job_of(facts(), Cluster(), 1), job_of(facts(), wanted, 1)
    moved = job_of(facts(subnets=("subnet-3",)), Cluster(), 1)
    assert len({here.fingerprint, there.fingerprint, moved.fingerprint}) == 3
    assert here.checkpoint == there.checkpoint == moved.checkpoint
