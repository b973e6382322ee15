"""The local stack: emulator, PostgreSQL, streams, warehouse tables and the stream job, up and down."""

import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from headrace.errors import HeadraceError, LocalStackFailed
from headrace.ops.clock import Clock
from headrace.schemas.registry import OUTPUTS
from headrace.schemas.streams import STREAMS
from headrace.warehouse.warehouse import Warehouse, connect
from infra.local import emulator, environment, java, ports, postgres, processes, streams
from infra.local.processes import Background
from infra.local.state import State

JOB = "stream"
PRODUCER = "producer"  # every producer's process name begins so
_JOB_READY_SECONDS = 120
_TIP_SECONDS = 120


class Part(NamedTuple):
    """One process of the stack, for `headrace status`."""

    name: str
    running: bool
    pid: int | None
    address: str | None
    healthy: bool | None


@dataclass(frozen=True)
class Stack:
    """The stack whose state lies in one folder; `say` is told each step, for a person."""

    state: State
    environ: Mapping[str, str]
    clock: Clock
    say: Callable[[str], None]
    job_command: tuple[str, ...] = (sys.executable, "-m", "stream_jobs")
    emulator_port: int = emulator.PORT
    database_port: int = postgres.PORT

    def up(self, *, stream: bool = True) -> None:
        """Start what is not running. When anything fails, what was started is stopped again.

        Raises LocalStackFailed, which says which part failed and where its log is.
        """
        before = {name for name in processes.names(self.state) if processes.find(self.state, name)}
        try:
            if stream:
                java.find(self.environ)
            self.start_services()
            if stream:
                self.start_job()
                self.wait_for_job()
        except BaseException:
            for name in (JOB, emulator.NAME, postgres.NAME):
                if name not in before:
                    self._stop(name)
            raise

    def start_services(self) -> None:
        """The emulator, PostgreSQL, the streams, the tables and the `env` file."""
        aws = emulator.start(self.state, self.environ, self.clock, preferred=self.emulator_port)
        self._say_started("AWS emulator", aws, self.emulator_port)
        database = self.start_database()
        self.state.write_env(environment.describe(self.state, aws, database))
        streams.create(streams.client(self.state.read_env()), STREAMS.values())
        self.say(f"streams: {', '.join(STREAMS)}")
        with closing(self._warehouse()) as warehouse:
            warehouse.prepare(list(OUTPUTS.values()))
        self.say(f"warehouse tables: {', '.join(OUTPUTS)}")

    def start_database(self) -> Background:
        """PostgreSQL alone, for commands that only look."""
        with self.state.exclusive("postgres", wait=True):
            if (running := processes.find(self.state, postgres.NAME)) is not None:
                return running
            database = postgres.start(self.state, self.environ, self.clock, preferred=self.database_port)
        self._say_started("PostgreSQL", database, self.database_port)
        if known := self.state.read_env():  # the port may be another one now
            self.state.write_env(known | postgres.variables(self.state, database))
        return database

    def start_job(self) -> Background:
        """The stream job, in the background; it is ready some ten seconds later."""
        if (running := processes.find(self.state, JOB)) is not None:
            return running
        port = ports.choose(0)
        environ = self.child_environ() | {
            "JAVA_HOME": str(java.find(self.environ).home),
            "HEADRACE_HEALTH_PORT": str(port),
        }
        job = processes.start(self.state, JOB, self.job_command, environ, port=port)
        self.say("stream job: starting Spark")
        return job

    def wait_for_job(self) -> None:
        """Return once the stream job says that it is healthy. Raises LocalStackFailed when it does not."""
        deadline = self.clock.monotonic() + _JOB_READY_SECONDS
        while not self.job_healthy():
            self.check_job()
            if self.clock.monotonic() > deadline:
                raise LocalStackFailed(
                    f"the stream job is not healthy after {_JOB_READY_SECONDS} s: "
                    + processes.last_words(self.state, JOB)
                )
            self.clock.sleep(0.2)
        self.say("stream job: running")

    def check_job(self) -> None:
        """Raise LocalStackFailed when the stream job has ended."""
        if processes.find(self.state, JOB) is None:
            raise LocalStackFailed("the stream job ended: " + processes.last_words(self.state, JOB, 15))

    def job_healthy(self) -> bool:
        """Whether the stream job runs and calls itself healthy."""
        job = processes.find(self.state, JOB)
        return job is not None and _healthy(job.port)

    def down(self, *, now: bool = False) -> None:
        """Stop producers, let the job read the streams to their end unless `now`, stop everything."""
        for name in processes.names(self.state):
            if name.startswith(PRODUCER):
                self._stop(name)
        if not now and processes.find(self.state, JOB) and processes.find(self.state, emulator.NAME):
            self._let_the_job_catch_up()
        for name in (JOB, emulator.NAME, postgres.NAME):
            self._stop(name)

    def caught_up(self) -> bool:
        """Whether the warehouse holds everything that is on the streams."""
        environ = self.state.read_env()
        kinesis, name = streams.client(environ), environ["HEADRACE_STREAM"]
        with closing(self._warehouse()) as warehouse:
            progress = warehouse.progress(streams.identity(kinesis, name))
        return streams.read_to_the_end(kinesis, name, {shard.shard: shard.position for shard in progress})

    def status(self) -> list[Part]:
        """Every part of the stack, running or not, and producers that run."""
        others = [name for name in processes.names(self.state) if name.startswith(PRODUCER)]
        return [self._part(name) for name in (emulator.NAME, postgres.NAME, JOB, *others)]

    def child_environ(self) -> dict[str, str]:
        """The environment of a process that works on this stack."""
        return environment.for_child(self.environ, self.state.read_env())

    def _let_the_job_catch_up(self) -> None:
        self.say("letting the stream job read everything")
        deadline = self.clock.monotonic() + _TIP_SECONDS
        try:
            while not self.caught_up():
                if self.clock.monotonic() > deadline or processes.find(self.state, JOB) is None:
                    self.say("the stream job did not get to the end; the rest is kept for the next `up`")
                    return
                self.clock.sleep(0.2)
        except HeadraceError as error:
            self.say(f"cannot tell how far the stream job is ({error}); the rest is kept for the next `up`")

    def _warehouse(self) -> Warehouse:
        return connect(self.state.read_env()["HEADRACE_WAREHOUSE_URL"], self.clock)

    def _stop(self, name: str) -> None:
        if processes.find(self.state, name) is None:
            processes.stop(self.state, name, self.clock)
            return
        if name == postgres.NAME:
            clean = postgres.stop(self.state, self.clock)
        else:
            clean = processes.stop(self.state, name, self.clock)
        self.say(f"{name}: stopped" if clean else f"{name}: killed, because it did not stop when asked")

    def _say_started(self, what: str, background: Background, preferred: int) -> None:
        taken = "" if background.port == preferred or not preferred else f" ({preferred} is taken)"
        self.say(f"{what}: 127.0.0.1:{background.port}{taken}")

    def _part(self, name: str) -> Part:
        background = processes.find(self.state, name)
        if background is None:
            return Part(name, running=False, pid=None, address=None, healthy=None)
        address = f"{ports.LOOPBACK}:{background.port}" if background.port else None
        healthy = _healthy(background.port) if name == JOB else None
        return Part(name, running=True, pid=background.pid, address=address, healthy=healthy)


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{ports.LOOPBACK}:{port}/healthz", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
