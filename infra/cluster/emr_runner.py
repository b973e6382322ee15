"""Runs the stream job as a step of a long-lived EMR cluster on EC2."""

from collections.abc import Callable, Iterator
from typing import Any

from infra.cluster import requests
from infra.cluster.job import Facts, JobSpec
from infra.cluster.requests import CLUSTER_TAG
from infra.cluster.runner import Job, Phase
from infra.stacks.stage import Stage

_ALIVE = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
_NOT_GONE = [*_ALIVE, "TERMINATING"]
_NOT_ENDED = ["PENDING", "RUNNING", "CANCEL_PENDING"]
_PHASES = {
    "PENDING": Phase.STARTING,
    "RUNNING": Phase.RUNNING,
    "CANCEL_PENDING": Phase.STOPPING,
    "CANCELLED": Phase.ENDED,
    "COMPLETED": Phase.ENDED,
    "FAILED": Phase.FAILED,
    "INTERRUPTED": Phase.FAILED,
}
_HALTS = ""  # in place of a fingerprint
_CLIENT = Any  # boto3's client "emr"; the stubs of that service are not installed


class EmrRunner:
    """One stage's clusters, found by their name; a job's id is `<cluster>/<step>`."""

    def __init__(
        self,
        emr: _CLIENT,
        stage: Stage,
        facts: Facts,
        *,
        prepare: Callable[[], None],
        kdc_password: Callable[[], str],
    ) -> None:
        """`prepare` is called before a cluster is made; `kdc_password` where the stage has Kerberos."""
        self._emr = emr
        self._stage = stage
        self._facts = facts
        self._prepare = prepare
        self._kdc_password = kdc_password

    def find(self) -> list[Job]:
        """Steps of the job, and those that halt it: what they kill may not be gone yet."""
        return [job for cluster in self._clusters(_ALIVE) for job in self._jobs(cluster)]

    def start(self, spec: JobSpec) -> Job:
        """Add a step to the cluster, which is made if there is none, or none that is as it should be."""
        cluster = self._cluster()
        self._emr.put_managed_scaling_policy(**requests.put_managed_scaling(self._stage, cluster))
        self._emr.put_auto_termination_policy(**requests.put_auto_termination(self._stage, cluster))
        added = self._emr.add_job_flow_steps(**requests.start_job(self._stage, cluster, spec))
        return Job(f"{cluster}/{added['StepIds'][0]}", spec.fingerprint, Phase.STARTING)

    def stop(self, job: Job) -> None:
        """Cancel the step, and kill what it submitted."""
        cluster, _, step = job.id.partition("/")
        self._emr.cancel_steps(**requests.cancel_steps(cluster, step))
        if not any(other.fingerprint == _HALTS for other in self._jobs(cluster)):
            self._emr.add_job_flow_steps(**requests.halt_job(self._stage, cluster))

    def look(self, job: Job) -> Job:
        """What its step says; where the cluster ended before it, what that says."""
        cluster, _, step = job.id.partition("/")
        found = self._job(cluster, self._emr.describe_step(ClusterId=cluster, StepId=step)["Step"])
        if found.phase not in {Phase.ENDED, Phase.FAILED} or found.why:
            return found
        status = self._emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]
        if status["State"] in _ALIVE:
            return found
        reason = status.get("StateChangeReason", {}).get("Message", "")
        return found._replace(why=f"its cluster is {status['State']}: {reason}")

    def terminate(self) -> bool:
        """End the clusters."""
        for cluster in self._clusters(_ALIVE):
            self._emr.terminate_job_flows(**requests.terminate(cluster))
        return not list(self._clusters(_NOT_GONE))

    def _cluster(self) -> str:
        """The cluster that is as the stage wants it; others of the name end."""
        password = self._kdc_password() if self._facts.kdc_secret else ""
        request = requests.run_job_flow(self._stage, self._facts, password)
        wanted = requests.cluster_fingerprint(request)
        kept = ""
        for cluster in self._clusters(_ALIVE):
            tags = self._emr.describe_cluster(ClusterId=cluster)["Cluster"].get("Tags", [])
            if not kept and {"Key": CLUSTER_TAG, "Value": wanted} in tags:
                kept = cluster
            else:
                self._emr.terminate_job_flows(**requests.terminate(cluster))
        if kept:
            return kept
        self._prepare()
        return str(self._emr.run_job_flow(**request)["JobFlowId"])

    def _clusters(self, states: list[str]) -> Iterator[str]:
        name = requests.name_of(self._stage)
        pages = self._emr.get_paginator("list_clusters").paginate(ClusterStates=states)
        return (one["Id"] for page in pages for one in page["Clusters"] if one["Name"] == name)

    def _jobs(self, cluster: str) -> list[Job]:
        pages = self._emr.get_paginator("list_steps").paginate(ClusterId=cluster, StepStates=_NOT_ENDED)
        ours = requests.name_of(self._stage), requests.halt_name(self._stage)
        steps = [step for page in pages for step in page["Steps"]]
        return [self._job(cluster, step) for step in steps if step["Name"].partition(" ")[0] in ours]

    def _job(self, cluster: str, step: dict[str, Any]) -> Job:
        name, _, fingerprint = step["Name"].partition(" ")
        status = step["Status"]
        phase = _PHASES[status["State"]]
        if name == requests.halt_name(self._stage):
            fingerprint = _HALTS
            phase = Phase.STOPPING if status["State"] in _NOT_ENDED else phase
        failure = status.get("FailureDetails", {})
        why = " ".join(failure[key] for key in ("Reason", "Message", "LogFile") if key in failure)
        return Job(f"{cluster}/{step['Id']}", fingerprint, phase, why)
