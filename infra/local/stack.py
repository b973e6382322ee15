"""The local stack: emulator, PostgreSQL, what is deployed on them, and the workers, up and down."""

from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

from headrace.errors import HeadraceError
from headrace.ops.clock import Clock
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.warehouse import Warehouse, connect
from infra.local import deployment, emulator, environment, java, mariadb, ports, postgres, processes
from infra.local.processes import Background
from infra.local.readers import Readers
from infra.local.state import State
from infra.local.workers import ARCHIVE, DESK, JOB, NAMES, WORKERS, Workers

PRODUCER = "producer"  # every producer's process name begins so
_STOPPED_IN_ORDER = (*NAMES, emulator.NAME, postgres.NAME, mariadb.NAME)
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
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    emulator_port: int = emulator.PORT
    database_port: int = postgres.PORT

    @property
    def workers(self) -> Workers:
        """The processes that work on the streams."""
        return Workers(self.state, self.environ, self.clock, self.say, self.commands)

    def up(self, without: Collection[str] = ()) -> None:
        """Start what is not running, but for the workers named. When anything fails, what was started stops.

        Raises LocalStackFailed, which says which part failed and where its log is.
        """
        before = {name for name in processes.names(self.state) if processes.find(self.state, name)}
        wanted = [name for name in NAMES if name not in without]
        try:
            if any(WORKERS[name].needs_java for name in wanted):
                java.find(self.environ)
            self.start_services()
            for name in reversed(wanted):  # the error desk first: KCL waits up to half a minute
                self.workers.start(name)
            for name in wanted:
                if name != DESK:  # nobody waits for what it reads
                    self.workers.wait(name)
                self.workers.check(name)
        except BaseException:
            for name in _STOPPED_IN_ORDER:
                if name not in before:
                    self._stop(name)
            raise

    def start_services(self) -> None:
        """The emulator, PostgreSQL, the deployed streams and functions, the tables and the `env` file."""
        self.start_platform()
        deployment.deploy(self.state.read_env(), self.clock, self.say)
        self.prepare_tables()

    def start_platform(self) -> None:
        """The emulator and PostgreSQL, with nothing on them yet, and the `env` file."""
        aws = emulator.start(self.state, self.environ, self.clock, preferred=self.emulator_port)
        self._say_started("AWS emulator", aws, self.emulator_port)
        database = self.start_database()
        self.state.write_env(environment.describe(self.state, aws, database))

    def prepare_tables(self) -> None:
        """The warehouse's tables."""
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

    def start_mysql(self) -> str:
        """MariaDB, for the batch pipeline's load into MySQL; its URL."""
        with self.state.exclusive("mariadb", wait=True):
            running = processes.find(self.state, mariadb.NAME)
            server = running or mariadb.start(self.state, self.environ, self.clock)
        if running is None:
            self._say_started("MariaDB", server, mariadb.PORT)
        return mariadb.url(self.state, server)

    def down(self, *, now: bool = False) -> None:
        """Stop producers, let the workers read the streams to their end unless `now`, stop everything."""
        for name in processes.names(self.state):
            if name.startswith(PRODUCER):
                self._stop(name)
        if not now and processes.find(self.state, emulator.NAME):
            self._let_the_workers_catch_up()
        for name in _STOPPED_IN_ORDER:
            self._stop(name)

    def stop_workers(self) -> None:
        """Stop what works on the streams; the services go on."""
        for name in NAMES:
            self._stop(name)

    def behind(self, names: Collection[str] = NAMES) -> str | None:
        """The first of these workers that has not done with everything on the streams; None: all have.

        The order is that of the way: what the archive splits off is the error desk's.
        """
        readers = Readers(self.state, self.clock)
        done = {
            JOB: readers.counted,
            ARCHIVE: readers.archived,
            DESK: readers.merged,
        }
        return next((name for name in NAMES if name in names and not done[name]()), None)

    def status(self) -> list[Part]:
        """Every part of the stack, running or not, and producers that run."""
        started_on_need = (PRODUCER, mariadb.NAME)
        others = [name for name in processes.names(self.state) if name.startswith(started_on_need)]
        return [self._part(name) for name in (emulator.NAME, postgres.NAME, *NAMES, *others)]

    def child_environ(self) -> dict[str, str]:
        """The environment of a process that works on this stack."""
        return environment.for_child(self.environ, self.state.read_env())

    def _let_the_workers_catch_up(self) -> None:
        running = [name for name in NAMES if processes.find(self.state, name)]
        waiting, deadline = "", self.clock.monotonic() + _TIP_SECONDS
        try:
            while (name := self.behind(running)) is not None:
                title = WORKERS[name].title
                if name != waiting:
                    self.say(f"letting the {title} read everything")
                    waiting = name
                if self.clock.monotonic() > deadline or processes.find(self.state, name) is None:
                    self.say(f"the {title} did not get to the end; the rest is kept for the next `up`")
                    return
                self.clock.sleep(0.2)
        except HeadraceError as error:
            self.say(f"cannot tell how far the workers are ({error}); the rest is kept for the next `up`")

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
        healthy = self.workers.healthy(name) if name in NAMES else None
        return Part(name, running=True, pid=background.pid, address=address, healthy=healthy)
