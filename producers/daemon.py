"""One producer process from its start to its end: its inputs side by side, watched over."""

import random
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from headrace.errors import HeadraceError, SettingsError
from headrace.kinesis.client import connect
from headrace.kinesis.port import Kinesis
from headrace.ops.clock import Clock
from headrace.ops.emf import EmfReporter
from headrace.ops.health import Health, HealthServer
from headrace.ops.logs import get_logger
from headrace.ops.notify import Notifier
from headrace.ops.shutdown import Shutdown
from producers.assembly import Assembly, assemble
from producers.configuration import Configuration, Input
from producers.orphans import OrphanWatch
from producers.progress import Progress, total
from producers.supervised import Supervised

_LOOK_SECONDS = 0.1


def run(
    configuration: Configuration,
    clock: Clock,
    shutdown: Shutdown,
    *,
    tell: Callable[[Progress], None] = lambda _: None,
    client: Kinesis | None = None,
    reread: Callable[[], Configuration | None] = lambda: None,
    notifier: Notifier | None = None,
) -> int:
    """Produce until every source ends or a stop is requested; `tell` hears of it several times a second.

    `reread` gives new settings when there are some (SettingsError: they are wrong, and the old ones stay).
    Returns the exit code: 0, also when records stay in the spool for the next start.
    Raises SettingsError, SpoolInUse, SpoolUnusable, SourceUnreadable (once all that was read is sent) or
    KinesisRefused.
    """
    notifier = notifier or Notifier(None)
    with ExitStack() as resources:
        if client is None:
            client = connect(clock, sdk=configuration.producer.sdk)
            resources.callback(client.close)
        daemon = Daemon(configuration, Assembly(configuration.producer, client, clock), reread)
        resources.callback(daemon.end)
        server = resources.enter_context(
            HealthServer(
                daemon.health,
                daemon.readiness,
                host=configuration.producer.health_host,
                port=configuration.producer.health_port,
            )
        )
        reporter = _emf(configuration, clock)
        daemon.begin()
        notifier.ready()
        get_logger().info("producer started", health_port=server.port, inputs=len(configuration.inputs))
        while daemon.look():
            tell(daemon.progress())
            reporter.step()
            if not daemon.hangs:
                notifier.alive(clock.monotonic())
            if shutdown.wait(_LOOK_SECONDS):
                notifier.stopping()
                daemon.stop()
                clock.sleep(_LOOK_SECONDS)
        tell(daemon.progress())
        reporter.report()
        return daemon.outcome()


def _emf(configuration: Configuration, clock: Clock) -> EmfReporter:
    settings = configuration.producer
    return EmfReporter(
        clock,
        sys.stdout,
        seconds=settings.emf_seconds,
        namespace=settings.emf_namespace,
        dimensions={"Producer": settings.name or socket.gethostname()},
    )


class Daemon:
    """The inputs of one process."""

    def __init__(
        self, configuration: Configuration, assembly: Assembly, reread: Callable[[], Configuration | None]
    ) -> None:
        self._configuration = configuration
        self._reread = reread
        self._assemble = partial(assemble, assembly=assembly)
        self._clock = assembly.clock
        self._inputs: dict[str, Supervised] = {}
        self._orphans = OrphanWatch(assembly.clock)
        self._stopping = False
        self._log = get_logger()

    def begin(self) -> None:
        """Start every input.

        Raises what keeps a single one from beginning; of a settings file, that one is tried again and again.
        """
        for it in self._configuration.inputs:
            supervised = self._add(it)
            if it.name:
                supervised.look()
            else:
                supervised.begin()

    def look(self) -> bool:
        """Bring about what is wanted; whether there is still something to do."""
        if not self._stopping:
            self._follow_settings()
            self._orphans.look(self._configuration)
        going_on = self._look()
        for supervised in self._inputs.values():
            if supervised.failure is not None and not isinstance(supervised.failure, HeadraceError):
                raise supervised.failure  # a bug of ours: end, and be started anew
        return going_on

    def stop(self) -> None:
        """Drain and end every input."""
        self._stopping = True
        for supervised in self._inputs.values():
            supervised.wanted = None

    def end(self) -> None:
        """Wait until every input has drained and let go of its files."""
        self.stop()
        while self._look():
            self._clock.sleep(_LOOK_SECONDS)

    def outcome(self) -> int:
        """The exit code, once all is over. Raises what ended an input for good."""
        for supervised in self._inputs.values():
            if supervised.failure is not None:
                raise supervised.failure
        progress = self.progress()
        if progress.waiting:
            self._log.warning(
                f"stopped; {progress.waiting:,} records remain in the spool and are sent at the next start"
            )
        else:
            self._log.info(
                "all is sent", read=progress.read, rejected=progress.rejected, source=progress.source
            )
        return 0

    @property
    def hangs(self) -> bool:
        """Whether a thread does nothing any more."""
        hanging = [supervised.hangs for supervised in self._inputs.values()]  # each notes where it stands
        return any(hanging)

    def progress(self) -> Progress:
        """How far all inputs have come."""
        return total([supervised.progress() for supervised in self._inputs.values()])

    def health(self) -> Health:
        """Red while an input has failed or hangs."""
        dead = [name for name, supervised in self._inputs.items() if not supervised.is_alive]
        return Health(ok=not dead, detail=self._details() | {"dead": dead})

    def readiness(self) -> Health:
        """Red while an input would not take records: its spool is full, or it is coming up or going down."""
        closed = [name for name, supervised in self._inputs.items() if not supervised.can_take]
        return Health(ok=not closed and not self._stopping, detail=self._details() | {"closed": closed})

    def _look(self) -> bool:
        for supervised in self._inputs.values():
            supervised.look()
        known = {it.name for it in self._configuration.inputs}
        gone = [name for name, it in self._inputs.items() if name not in known and it.is_over]
        if gone:
            self._inputs = {name: it for name, it in self._inputs.items() if name not in gone}
            self._orphans.look_anew()
        return not all(supervised.is_over for supervised in self._inputs.values())

    def _details(self) -> dict[str, object]:
        """All inputs together, and each."""
        inputs = {name: supervised.progress() for name, supervised in self._inputs.items()}
        together = total(list(inputs.values()))
        counts = {name: getattr(together, name) for name in together.__struct_fields__}
        return counts | {"inputs": inputs, "orphans": self._orphans.found}

    def _follow_settings(self) -> None:
        try:
            fresh = self._reread()
        except SettingsError as error:
            self._log.error("the new settings are not taken", problem=str(error))
            return
        if fresh is None:
            return
        if fresh.producer != self._configuration.producer:
            self._log.warning("settings of the process itself are taken at its next start")
        wanted = {it.name: it for it in fresh.inputs}
        for name, supervised in self._inputs.items():
            supervised.wanted = wanted.pop(name, None)
        for it in wanted.values():
            self._add(it)
        self._configuration = fresh._replace(producer=self._configuration.producer)
        self._orphans.look_anew()
        self._log.info("settings read again", inputs=len(fresh.inputs))

    def _add(self, it: Input) -> Supervised:
        supervised = Supervised(it, self._assemble, self._clock, random.random, begins_again=bool(it.name))
        self._inputs = {**self._inputs, it.name: supervised}  # anew: the health server's threads read it
        return supervised
