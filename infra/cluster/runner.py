"""What runs the stream job, wherever that is, and how one job takes the place of another."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, Protocol

from headrace.errors import DeploymentFailed
from headrace.ops.clock import Clock
from infra.cluster.job import JobSpec

_POLL_SECONDS = 5.0
_STARTS_WITHIN = 30 * 60.0  # a cluster is made in ten minutes
_STOPS_WITHIN = 10 * 60.0
_ENDS_WITHIN = 30 * 60.0


class Phase(StrEnum):
    """How far a job is."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"
    FAILED = "failed"


class Job(NamedTuple):
    """One job; `fingerprint` is its spec's, '' where it cannot be known, `why` is what a failure says."""

    id: str
    fingerprint: str
    phase: Phase
    why: str = ""


class JobRunner(Protocol):
    """One stage's engine. Calls return at once, but for the laptop's; each is safe to repeat."""

    def find(self) -> list[Job]:
        """The stage's jobs that have not ended, those that are stopping too."""
        ...

    def start(self, spec: JobSpec) -> Job:
        """Start a job, and first what it runs on if need be."""
        ...

    def stop(self, job: Job) -> None:
        """Ask the job to end after the batch under way."""
        ...

    def look(self, job: Job) -> Job:
        """The same job as it is now."""
        ...

    def terminate(self) -> bool:
        """Give back what the jobs run on; whether it is gone."""
        ...


def replace(runner: JobRunner, spec: JobSpec, clock: Clock, say: Callable[[str], None]) -> Job:
    """Let the job run, and no other of the stage; one that runs just so already is left alone.

    The old job is gone before the new one starts: it goes on where the old one's last commit is, since both
    the checkpoint and the warehouse's progress say so. Interrupted anywhere, calling it again finishes.
    Raises DeploymentFailed when a job does not end or the new one does not start.
    """
    kept = stop_others(runner, spec.fingerprint, clock, say)
    if kept is None:
        say("the stream job starts")
        kept = runner.start(spec)
    deadline = clock.monotonic() + _STARTS_WITHIN
    while (kept := runner.look(kept)).phase is Phase.STARTING:
        if clock.monotonic() > deadline:
            raise DeploymentFailed(f"the stream job {kept.id} has not started in {_STARTS_WITHIN:.0f} s")
        clock.sleep(_POLL_SECONDS)
    if kept.phase is not Phase.RUNNING:
        raise DeploymentFailed(
            f"the stream job {kept.id} has {kept.phase}: {kept.why or 'it says no reason'}"
        )
    say("the stream job runs")
    return kept


def stop_others(runner: JobRunner, fingerprint: str, clock: Clock, say: Callable[[str], None]) -> Job | None:
    """Stop every job of the stage but one of this fingerprint, '' for none, and wait until they are gone.

    Raises DeploymentFailed when one does not end.
    """
    asked: set[str] = set()
    deadline = clock.monotonic() + _STOPS_WITHIN
    while True:
        jobs = runner.find()
        alive = [job for job in jobs if job.phase in {Phase.STARTING, Phase.RUNNING}]
        kept = next((job for job in alive if job.fingerprint == fingerprint != ""), None)
        others = [job for job in jobs if job != kept]
        if not others:
            return kept
        for job in others:
            if job in alive and job.id not in asked:
                say(f"the stream job {job.id} stops")
                runner.stop(job)
                asked.add(job.id)
        if clock.monotonic() > deadline:
            raise DeploymentFailed(f"the stream job {others[0].id} has not ended in {_STOPS_WITHIN:.0f} s")
        clock.sleep(_POLL_SECONDS)


def end(runner: JobRunner, clock: Clock, say: Callable[[str], None]) -> None:
    """Stop the stage's jobs, and give back what they ran on. Raises DeploymentFailed when it stays."""
    stop_others(runner, "", clock, say)
    deadline = clock.monotonic() + _ENDS_WITHIN
    while not runner.terminate():
        if clock.monotonic() > deadline:
            raise DeploymentFailed(f"what the stream job ran on has not ended in {_ENDS_WITHIN:.0f} s")
        clock.sleep(_POLL_SECONDS)
