"""Runs the stream job on EMR Serverless, in streaming mode."""

import hashlib
from typing import Any

from infra.cluster import serverless_requests as requests
from infra.cluster.job import Facts, JobSpec
from infra.cluster.requests import name_of
from infra.cluster.runner import Job, Phase
from infra.stacks.stage import Stage

_PHASES = {
    "SUBMITTED": Phase.STARTING,
    "PENDING": Phase.STARTING,
    "SCHEDULED": Phase.STARTING,
    "QUEUED": Phase.STARTING,
    "RUNNING": Phase.RUNNING,
    "CANCELLING": Phase.STOPPING,
    "CANCELLED": Phase.ENDED,
    "SUCCESS": Phase.ENDED,
    "FAILED": Phase.FAILED,
}
_OVER = {Phase.ENDED, Phase.FAILED}
_STOPPED = {"CREATED", "STOPPED", "TERMINATED"}
_CLIENT = Any  # boto3's client "emr-serverless"; the stubs of that service are not installed


class ServerlessRunner:
    """One stage's application; a job is a run, found by its name."""

    def __init__(self, serverless: _CLIENT, stage: Stage, facts: Facts) -> None:
        self._serverless = serverless
        self._stage = stage
        self._facts = facts

    def find(self) -> list[Job]:
        """Runs of the job that have not ended."""
        return [job for job in map(self._job, self._runs()) if job.phase not in _OVER]

    def start(self, spec: JobSpec) -> Job:
        """Start a run; its token makes one of two calls that saw the same runs before."""
        self._serverless.start_application(**requests.start_application(self._facts))
        before = sorted(run["id"] for run in self._runs())
        token = hashlib.sha256("\0".join([spec.fingerprint, *before]).encode()).hexdigest()
        request = requests.start_job_run(self._stage, self._facts, spec, token)
        run = self._serverless.start_job_run(**request)["jobRunId"]
        return Job(run, spec.fingerprint, Phase.STARTING)

    def stop(self, job: Job) -> None:
        """Cancel the run, with time to end."""
        self._serverless.cancel_job_run(**requests.cancel_job_run(self._facts, job.id))

    def look(self, job: Job) -> Job:
        """What the service says of the run."""
        asked = {"applicationId": self._facts.application, "jobRunId": job.id}
        run = self._serverless.get_job_run(**asked)["jobRun"]
        return self._job({**run, "id": run["jobRunId"]})

    def terminate(self) -> bool:
        """Stop the application; the stack deletes it."""
        asked = {"applicationId": self._facts.application}
        state = self._serverless.get_application(**asked)["application"]["state"]
        if state == "STARTED":
            self._serverless.stop_application(**requests.stop_application(self._facts))
        return state in _STOPPED

    def _runs(self) -> list[dict[str, Any]]:
        pages = self._serverless.get_paginator("list_job_runs").paginate(
            applicationId=self._facts.application, mode="STREAMING"
        )
        runs = [run for page in pages for run in page["jobRuns"]]
        return [run for run in runs if run.get("name", "").partition(" ")[0] == name_of(self._stage)]

    def _job(self, run: dict[str, Any]) -> Job:
        phase = _PHASES[run["state"]]
        why = run["stateDetails"] if phase is Phase.FAILED else ""
        return Job(run["id"], run["name"].partition(" ")[2], phase, why)
