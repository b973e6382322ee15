"""Runs the stream job as a process of the local stack."""

from collections.abc import Mapping, Sequence

from headrace.ops.clock import Clock
from infra.cluster.job import GRACE_SECONDS, JobSpec
from infra.cluster.runner import Job, Phase
from infra.local import environment, java, ports, processes
from infra.local.state import State
from infra.local.workers import JOB, WORKERS, Workers


class LocalRunner:
    """The one job of a state folder; what it was asked to be lies beside its pid file."""

    def __init__(
        self,
        state: State,
        environ: Mapping[str, str],
        clock: Clock,
        command: Sequence[str] = WORKERS[JOB].command,
    ) -> None:
        """`environ`: the caller's, to which the stack's `env` file and the job's settings are added."""
        self._state = state
        self._environ = environ
        self._clock = clock
        self._command = command
        self._workers = Workers(state, environ, clock, lambda _: None, {})
        self._asked = state.run / f"{JOB}.job"

    def find(self) -> list[Job]:
        """The job, if its process runs."""
        background = processes.find(self._state, JOB)
        if background is None:
            return []
        fingerprint = self._asked.read_text() if self._asked.exists() else ""
        phase = Phase.RUNNING if self._workers.healthy(JOB) else Phase.STARTING
        return [Job(str(background.pid), fingerprint, phase)]

    def start(self, spec: JobSpec) -> Job:
        """Start the process. Raises LocalStackFailed without a Java."""
        self._state.make()
        environ = environment.for_child(self._environ, self._state.read_env())
        port = ports.choose(0)
        own = {"JAVA_HOME": str(java.find(self._environ).home), "HEADRACE_HEALTH_PORT": str(port)}
        environ |= own | spec.settings | {"HEADRACE_CHECKPOINT": spec.checkpoint}
        self._asked.write_text(spec.fingerprint)
        started = processes.start(self._state, JOB, self._command, environ, port=port)
        return Job(str(started.pid), spec.fingerprint, Phase.STARTING)

    def stop(self, job: Job) -> None:  # noqa: ARG002  there is one
        """Ask the process to end, wait, and kill it when it has not."""
        processes.stop(self._state, JOB, self._clock, patience=GRACE_SECONDS)

    def look(self, job: Job) -> Job:
        """The process as it is."""
        running = self.find()
        if running and running[0].id == job.id:
            return running[0]
        if running or JOB not in processes.names(self._state) or processes.exit_code(self._state, JOB) == 0:
            return job._replace(phase=Phase.ENDED)  # as it was asked to, or by itself, or another is there
        return job._replace(phase=Phase.FAILED, why=processes.last_words(self._state, JOB))

    def terminate(self) -> bool:
        """Nothing else was started."""
        return True
