"""The deliveries of a laptop: one thread for each, until a stop is requested."""

import secrets
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from headrace.errors import SettingsError
from headrace.kinesis.client import connect
from headrace.kinesis.port import Kinesis
from headrace.ops.clock import Clock
from headrace.ops.health import HealthServer
from headrace.ops.logs import get_logger
from headrace.ops.shutdown import Shutdown
from headrace.schemas.archive import DELIVERIES, Delivery
from infra.local.delivery import checkpoint
from infra.local.delivery.archive_buffer import ArchiveBuffer
from infra.local.delivery.checkpoint import Checkpoint
from infra.local.delivery.engine import DeliveryStream
from infra.local.delivery.monitor import Monitor
from infra.local.delivery.names import Names
from infra.local.delivery.reader import StreamReader
from infra.local.delivery.services import Services
from infra.local.delivery.settings import DeliverySettings
from infra.local.delivery.transform import Transform
from infra.local.delivery.worker import Worker

_GOOD, _FAILED, _WRONG_SETTINGS = 0, 1, 2


def run(settings: DeliverySettings, *, clock: Clock, shutdown: Shutdown) -> int:
    """Deliver until a stop is requested (0), or until a thread fails (1); the last log line says why."""
    logger = get_logger()
    monitor = Monitor(clock, DELIVERIES)
    try:
        kinesis = connect(clock)
        services = Services.connect(function=settings.function, bucket=settings.bucket)
        with HealthServer(monitor.health, port=settings.health_port) as server:
            logger.info("delivery starts", bucket=settings.bucket, health=f"http://127.0.0.1:{server.port}")
            begin = partial(
                open_delivery,
                settings=settings,
                kinesis=kinesis,
                services=services,
                monitor=monitor,
                clock=clock,
            )
            failure = _work(settings, begin, monitor, clock, shutdown)
    except SettingsError as error:
        logger.error("delivery ends", why=str(error))  # noqa: TRY400  told whole
        return _WRONG_SETTINGS
    if failure is not None:
        logger.error("delivery ends", error=type(failure).__name__, why=str(failure), exc_info=failure)
        return _FAILED
    logger.info("delivery stopped", reason=shutdown.reason)
    return _GOOD


def _work(
    settings: DeliverySettings,
    begin: Callable[[Delivery], DeliveryStream],
    monitor: Monitor,
    clock: Clock,
    shutdown: Shutdown,
) -> BaseException | None:
    """Run the threads to their end; what ended them, if no stop did."""
    workers: list[Worker] = []
    for declared in DELIVERIES.values():  # the transform of the first puts records on the second
        workers.append(
            Worker(
                declared.stream,
                partial(begin, declared),
                feeders=tuple(workers),
                monitor=monitor,
                shutdown=shutdown,
                clock=clock,
                drain_seconds=settings.drain_seconds,
            )
        )
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return next((worker.failure for worker in workers if worker.failure is not None), None)


def open_delivery(
    declared: Delivery,
    *,
    settings: DeliverySettings,
    kinesis: Kinesis,
    services: Services,
    monitor: Monitor,
    clock: Clock,
    new_id: Callable[[], str] = lambda: str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
) -> DeliveryStream:
    """One delivery, from its checkpoint on. Raises KinesisUnavailable, KinesisRefused and their kinds."""
    path = checkpoint.path_of(Path(settings.state), declared.stream)
    reader = StreamReader(kinesis, declared.stream, checkpoint.load(path), clock)
    names = Names(reader.arn, settings.function)

    def save(positions: Mapping[str, str]) -> None:
        checkpoint.save(path, Checkpoint(reader.identity, {**reader.positions, **positions}))

    return DeliveryStream(
        source=reader,
        transform=Transform(services.invoke, names, clock, new_id) if declared.transformed else None,
        buffer=ArchiveBuffer(declared, names, clock, new_id, seconds=settings.archive_seconds),
        put=services.put,
        save=save,
        told=partial(monitor.written, declared.stream),
        clock=clock,
        transform_seconds=settings.transform_seconds,
    )
