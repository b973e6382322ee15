"""One producer from its start to its end: read, spool, send, drain."""

import random
import socket
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from headrace.kinesis.client import KinesisClient, connect
from headrace.ops.clock import Clock, new_ulid
from headrace.ops.health import HealthServer
from headrace.ops.logs import get_logger
from headrace.ops.shutdown import Shutdown
from producers.intake import Intake
from producers.keys import is_keyed, key_reader
from producers.line_format import choose
from producers.outlet import Outlet
from producers.progress import Progress
from producers.quarantine import Quarantine
from producers.reader import Reader
from producers.reading.source import Source
from producers.rebase import shift_to
from producers.run import Run
from producers.sender import Sender
from producers.sender_thread import SenderThread
from producers.settings import ProducerSettings
from producers.sources.file import FileSource, FollowSource
from producers.sources.stdin import StdinSource
from producers.spool.identity import this_machine
from producers.spool.spool import Spool

_LARGEST_SEGMENT, _LARGEST_GROUP = 16 << 20, 4 << 20


def run(
    settings: ProducerSettings,
    clock: Clock,
    shutdown: Shutdown,
    progress: Callable[[Progress], None] | None = None,
    client: KinesisClient | None = None,
) -> int:
    """Produce until the source ends or a stop is requested; `progress` is told several times a second.

    Returns the exit code: 0, also when records stay in the spool for the next start.
    Raises SettingsError, SpoolInUse, SpoolUnusable, SourceUnreadable (once all that was read is sent) or
    KinesisRefused.
    """
    settings.check()
    lines = choose("access-log", settings.type, settings.format)
    with ExitStack() as resources:
        client = client or connect(clock)
        spool = _open_spool(settings, clock)
        resources.callback(spool.close)
        quarantine = Quarantine(spool.quarantine)
        shift = timedelta(0)
        if settings.rebase:
            shift = shift_to(clock.now(), _paths(settings), lines.time_of, quarantine)
        source = _open_source(settings, spool, quarantine, clock)
        resources.callback(source.close)
        intake = Intake(spool, lines.sealer(shift), quarantine, clock, lines.record_type)
        group_bytes = min(_LARGEST_GROUP, settings.spool_bytes // 8)
        reader = Reader(source, intake, spool, clock, group_bytes=group_bytes, rate=settings.rate)
        key_of = key_reader(lines.record_type)
        keyed = is_keyed(lines.record_type)
        outlet = Outlet(client, settings.stream, clock, random.random, keyed=keyed)
        sender = Sender(spool, outlet, key_of, clock, status_seconds=settings.status_seconds)
        it = Run(
            spool=spool,
            reader=reader,
            intake=intake,
            outlet=outlet,
            sender=SenderThread(sender),
            clock=clock,
            shutdown=shutdown,
            tell=progress,
        )
        server = resources.enter_context(HealthServer(it.health, port=settings.health_port))
        get_logger().info(
            "producer started", spool=str(spool.directory), stream=settings.stream, health_port=server.port
        )
        return it.to_the_end(settings.drain_seconds)


def _open_spool(settings: ProducerSettings, clock: Clock) -> Spool:
    return Spool(
        Path(settings.spool),
        name=settings.name or socket.gethostname(),
        machine=this_machine(),
        new_ulid=lambda: new_ulid(clock),
        budget_bytes=settings.spool_bytes,
        segment_bytes=min(_LARGEST_SEGMENT, settings.spool_bytes // 8),
    )


def _open_source(settings: ProducerSettings, spool: Spool, quarantine: Quarantine, clock: Clock) -> Source:
    if settings.source == "stdin":
        return StdinSource(quarantine)
    if settings.follow:
        return FollowSource(_paths(settings), spool.positions, quarantine, clock.monotonic)
    return FileSource(_paths(settings), spool.positions, quarantine)


def _paths(settings: ProducerSettings) -> list[Path]:
    return [Path(path) for path in settings.paths]
