"""The streams and the archive as a command reaches them: the caller's, or the local stack's."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from cli.place import Place
from headrace.ops.settings import load
from headrace.ops.shutdown import Shutdown
from stream_jobs.replay.settings import ReplaySettings

if TYPE_CHECKING:
    from headrace.kinesis.port import Kinesis
    from headrace.lake.objects import Lake


class Reached(NamedTuple):
    """`lake` is None without a bucket."""

    settings: ReplaySettings
    kinesis: "Kinesis"
    lake: "Lake | None"


@contextmanager
def reached(place: Place) -> Iterator[Reached]:
    """Clients for the streams and the archive. Raises SettingsError."""
    from headrace.kinesis.client import connect  # noqa: PLC0415  the help should not wait for it
    from headrace.lake import objects  # noqa: PLC0415  the same

    environ = place.streams_environ()
    settings = load(ReplaySettings, environ)
    with as_own(environ):
        kinesis = connect(place.clock)
        lake = None if settings.archive_bucket is None else objects.connect(settings.archive_bucket, environ)
        try:
            yield Reached(settings, kinesis, lake)
        finally:
            kinesis.close()


@contextmanager
def heeding_signals() -> Iterator[Shutdown]:
    """A shutdown that Ctrl-C requests, within the block."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield Shutdown.install()
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def as_own(environ: Mapping[str, str]) -> Iterator[None]:
    """The AWS SDK reads the process's own environment, so it becomes that one within the block."""
    own = os.environ  # noqa: TID251  see above
    before = dict(own)
    own.clear()
    own.update(environ)
    try:
        yield
    finally:
        own.clear()
        own.update(before)
