"""`--check`: what a producer would do with its settings, found out without doing it."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from headrace.errors import SettingsError
from producers.configuration import Configuration, Input
from producers.orphans import orphans


def plan(configuration: Configuration) -> Iterator[str]:
    """The lines that say it; the settings themselves are validated by then."""
    producer = configuration.producer
    where = f"http://{producer.health_host}:{producer.health_port or '<a free port>'}"
    yield f"health: {where}/healthz, /readyz, /metrics"
    for it in configuration.inputs:
        yield from ("", f"{it.name or 'input'}: {it.settings.source}")
        yield from (f"  {line}" for line in _input(it))
    for orphan in orphans(configuration):
        yield from ("", f"warning: {orphan.told}")


def problems(configuration: Configuration) -> list[str]:
    """What would keep it from beginning here and now."""
    found = []
    spools: dict[Path, str] = {}
    for it in configuration.inputs:
        if not _could_hold(it.spool):
            found.append(f"{it.name or 'input'}: the spool's folder {it.spool} cannot be written")
        if it.spool.resolve() in spools:
            found.append(f"{it.name}: has the spool of {spools[it.spool.resolve()]}")
        spools[it.spool.resolve()] = it.name
    return found


def require(configuration: Configuration) -> None:
    """Raise SettingsError where something would keep it from beginning."""
    if found := problems(configuration):
        raise SettingsError("\n  ".join(("it could not begin:", *found)))


def _input(it: Input) -> Iterator[str]:
    lines = it.lines
    yield f"lines: {lines.name}, of {lines.record_type or 'the type that each names'}"
    yield f"to: stream {it.settings.stream}, by way of the spool {it.spool}"
    yield f"spool: at most {it.settings.spool_bytes:,} bytes, then the source is paused"
    for settings in (it.own, it.settings):
        for field in msgspec.structs.fields(type(settings)):
            value = getattr(settings, field.name)
            if value not in (None, field.default, ()) and field.name not in _TOLD:
                yield f"{field.name}: {', '.join(value) if isinstance(value, tuple) else value}"


_TOLD = ("source", "type", "format", "stream", "spool_bytes")  # in the lines above


def _could_hold(directory: Path) -> bool:
    """Whether the folder, or the nearest one above it that exists, can be written."""
    while not directory.exists():
        directory = directory.parent
    return directory.is_dir() and os.access(directory, os.W_OK | os.X_OK)
