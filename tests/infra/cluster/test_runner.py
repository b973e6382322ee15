"""One suite for every engine: how a job is started, replaced and ended, wherever a call is interrupted."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from headrace.errors import DeploymentFailed
from headrace.ops.clock import Clock, SystemClock
from infra.cluster.emr_runner import EmrRunner
from infra.cluster.job import JobSpec, job_of
from infra.cluster.local_runner import LocalRunner
from infra.cluster.runner import Job, JobRunner, Phase, end, replace
from infra.cluster.serverless_runner import ServerlessRunner
from infra.local import processes
from infra.local.state import State
from infra.local.workers import JOB
from infra.stacks.stage_file import Cluster
from tests.doubles.clock import ManualClock
from tests.doubles.emr import Emr, EmrServerless, Lost
from tests.infra.cluster.stages import facts, stage_with

PROGRAM = """
import http.server, os, signal, sys
if os.environ["HEADRACE_STREAM"] == "nosuch":
    sys.exit("no such stream")
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.HTTPServer(("127.0.0.1", int(os.environ["HEADRACE_HEALTH_PORT"])), Answer).serve_forever()
"""


class Engine(Protocol):
    """A runner, and what is known of the jobs by other ways."""

    runner: JobRunner
    clock: Clock

    def running(self) -> int: ...

    def fail(self) -> None: ...


class OnEmr:
    def __init__(self) -> None:
        self.double = Emr()
        self.clock: Clock = ManualClock()
        self.prepared = 0
        self.runner: JobRunner = self.make(Cluster())

    def make(self, wanted: Cluster) -> EmrRunner:
        return EmrRunner(
            self.double.client,
            stage_with(wanted),
            facts(kerberos=wanted.kerberos),
            prepare=self._prepare,
            kdc_password=lambda: "a password",
        )

    def _prepare(self) -> None:
        self.prepared += 1

    def running(self) -> int:
        return self.double.running()

    def fail(self) -> None:
        self.double.fails = True


class OnServerless:
    def __init__(self) -> None:
        self.double = EmrServerless()
        self.clock: Clock = ManualClock()
        self.runner: JobRunner = ServerlessRunner(
            self.double.client, stage_with(Cluster(engine="serverless")), facts()
        )

    def running(self) -> int:
        return self.double.running()

    def fail(self) -> None:
        self.double.fails = True


class Hasty(SystemClock):
    """Looks again soon."""

    def sleep(self, seconds: float) -> None:
        super().sleep(min(seconds, 0.05))


class OnLaptop:
    def __init__(self, folder: Path) -> None:
        self.state = State(folder / ".headrace")
        self.clock: Clock = Hasty()
        self.state.make()
        self.state.write_env({})
        self._command = [sys.executable, "-c", PROGRAM]
        self.runner: JobRunner = LocalRunner(self.state, dict(os.environ), self.clock, self._command)

    def running(self) -> int:
        return int(processes.find(self.state, JOB) is not None)

    def fail(self) -> None:
        self._command[2] = "import sys; sys.exit('out of attempts')"


@pytest.fixture(params=["emr", "serverless", "laptop"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    made: Engine
    match request.param:
        case "emr":
            made = OnEmr()
        case "serverless":
            made = OnServerless()
        case _:
            made = OnLaptop(tmp_path)
    yield made
    if isinstance(made, OnLaptop):
        processes.stop(made.state, JOB, made.clock)


def silent(_: str) -> None:
    pass


SPEC = job_of(facts(), Cluster(), 1)
NEWER = job_of(facts(), Cluster(), 2)


def test_a_job_is_started_where_none_runs(engine: Engine) -> None:
    assert engine.runner.find() == []
    job = replace(engine.runner, SPEC, engine.clock, silent)
    assert (job.phase, job.fingerprint) == (Phase.RUNNING, SPEC.fingerprint)
    assert engine.runner.find() == [job]
    assert engine.running() == 1


def test_a_job_that_is_as_it_should_be_is_left_alone(engine: Engine) -> None:
    job = replace(engine.runner, SPEC, engine.clock, silent)
    assert replace(engine.runner, SPEC, engine.clock, silent) == job


def test_another_job_takes_the_place_of_one_that_is_gone_by_then(engine: Engine) -> None:
    told: list[str] = []
    old = replace(engine.runner, SPEC, engine.clock, silent)
    new = replace(engine.runner, NEWER, engine.clock, told.append)
    assert engine.runner.find() == [new]
    assert engine.runner.look(old).phase is Phase.ENDED
    assert engine.running() == 1
    assert told == [f"the stream job {old.id} stops", "the stream job starts", "the stream job runs"]


def test_a_job_that_fails_at_its_start_is_told_with_its_reason(engine: Engine) -> None:
    engine.fail()
    with pytest.raises(DeploymentFailed, match="out of attempts"):
        replace(engine.runner, SPEC, engine.clock, silent)


def test_the_end_leaves_nothing_that_runs_and_may_come_twice(engine: Engine) -> None:
    replace(engine.runner, SPEC, engine.clock, silent)
    for _ in range(2):
        end(engine.runner, engine.clock, silent)
        assert engine.runner.find() == []
        assert engine.running() == 0


def interrupted(
    make: Callable[[], OnEmr | OnServerless], before: JobSpec | None
) -> Iterator[OnEmr | OnServerless]:
    """An engine for each call that may be the last, before which the reply is lost, and then again."""
    lost = 1
    while True:
        engine = make()
        if before is not None:
            replace(engine.runner, before, engine.clock, silent)
        engine.double.lose_reply_after = len(engine.double.calls) + lost
        try:
            replace(engine.runner, NEWER, engine.clock, silent)
        except Lost:
            replace(engine.runner, NEWER, engine.clock, silent)
            yield engine
            lost += 1
        else:
            assert lost > 3
            return


@pytest.mark.parametrize("before", [None, SPEC])
@pytest.mark.parametrize("make", [OnEmr, OnServerless])
def test_interrupted_after_any_call_it_finishes_when_called_again(
    make: Callable[[], OnEmr | OnServerless], before: JobSpec | None
) -> None:
    for engine in interrupted(make, before):
        (job,) = engine.runner.find()
        assert (job.phase, job.fingerprint) == (Phase.RUNNING, NEWER.fingerprint)
        assert engine.running() == engine.double.most_at_once == 1
        if isinstance(engine, OnEmr):
            assert len(engine.double.clusters) == 1


def changed(engine: OnEmr, wanted: Cluster) -> Job:
    """Nothing but the cluster's section of the stage file is another."""
    return replace(engine.make(wanted), job_of(facts(), wanted, 1), engine.clock, silent)


def test_a_cluster_is_used_again_and_its_policies_follow_the_stage_file() -> None:
    engine = OnEmr()
    replace(engine.runner, SPEC, engine.clock, silent)
    changed(engine, Cluster(max_task_nodes=9))
    assert (len(engine.double.clusters), engine.prepared) == (1, 1)
    policy = engine.double.asked("PutManagedScalingPolicy")[-1]["ManagedScalingPolicy"]
    assert policy["ComputeLimits"]["MaximumCapacityUnits"] == 11
    assert engine.running() == engine.double.most_at_once == 1


def test_a_cluster_that_is_no_longer_as_it_should_be_ends_and_another_is_made() -> None:
    engine = OnEmr()
    replace(engine.runner, SPEC, engine.clock, silent)
    changed(engine, Cluster(core_nodes=3))
    states = [cluster["Status"]["State"] for cluster in engine.double.clusters.values()]
    assert states == ["TERMINATED", "WAITING"]
    assert engine.running() == 1


def test_a_cluster_that_ends_before_the_job_starts_is_told_with_its_reason() -> None:
    engine = OnEmr()
    engine.double.breaks = True
    with pytest.raises(DeploymentFailed, match="has ended: its cluster is TERMINATED_WITH_ERRORS: no room"):
        replace(engine.runner, SPEC, engine.clock, silent)


def test_the_kdcs_password_is_asked_for_only_where_there_is_a_kdc() -> None:
    engine = OnEmr()
    replace(engine.make(Cluster(kerberos=True)), SPEC, engine.clock, silent)
    (asked,) = engine.double.asked("RunJobFlow")
    assert asked["KerberosAttributes"]["KdcAdminPassword"] == "a password"


def test_an_application_whose_step_was_cancelled_is_killed_before_another_is_submitted() -> None:
    engine = OnEmr()
    job = replace(engine.runner, SPEC, engine.clock, silent)
    cluster, _, step = job.id.partition("/")
    engine.double.client.cancel_steps(ClusterId=cluster, StepIds=[step])
    assert engine.runner.look(job).phase in {Phase.STOPPING, Phase.ENDED}
    assert engine.running() == 1
    replace(engine.runner, NEWER, engine.clock, silent)
    assert engine.running() == engine.double.most_at_once == 1


def test_a_run_that_ended_is_started_anew() -> None:
    engine = OnServerless()
    first = replace(engine.runner, SPEC, engine.clock, silent)
    engine.runner.stop(first)
    assert replace(engine.runner, SPEC, engine.clock, silent).id != first.id


class Slow:
    """A runner whose old job is found so many times more before it is gone."""

    def __init__(self, *, ends_after: int, fingerprint: str = SPEC.fingerprint) -> None:
        self.left = ends_after
        self.fingerprint = fingerprint
        self.stopped: list[Job] = []

    def find(self) -> list[Job]:
        self.left -= bool(self.stopped)
        phase = Phase.STOPPING if self.stopped else Phase.RUNNING
        return [Job("old", self.fingerprint, phase)] if self.left > 0 else []

    def start(self, spec: JobSpec) -> Job:
        assert self.left <= 0, "the old job is still there"
        return Job("new", spec.fingerprint, Phase.STARTING)

    def stop(self, job: Job) -> None:
        self.stopped.append(job)

    def look(self, job: Job) -> Job:
        return job._replace(phase=Phase.RUNNING)

    def terminate(self) -> bool:
        return self.left <= 0


def test_a_job_that_takes_its_time_to_end_is_waited_for_and_asked_once() -> None:
    runner = Slow(ends_after=20)
    assert replace(runner, NEWER, ManualClock(), silent).id == "new"
    assert [job.id for job in runner.stopped] == ["old"]


def test_a_job_that_does_not_end_is_told_and_no_other_is_started() -> None:
    with pytest.raises(DeploymentFailed, match="the stream job old has not ended in 600 s"):
        replace(Slow(ends_after=10_000), NEWER, ManualClock(), silent)


def test_the_end_stops_a_job_too_of_which_it_is_not_known_what_it_is() -> None:
    runner = Slow(ends_after=3, fingerprint="")
    end(runner, ManualClock(), silent)
    assert [job.id for job in runner.stopped] == ["old"]
