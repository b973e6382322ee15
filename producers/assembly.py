"""Puts the pipelines of an input together, from its settings."""

import random
import socket
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from headrace.kinesis.port import Kinesis
from headrace.ops.clock import Clock, new_ulid
from headrace.schemas.partition_keys import is_keyed, key_reader
from producers import passing
from producers.configuration import Input
from producers.intake import Intake
from producers.line_format import NO_SHIFT, Seal
from producers.outlet import Outlet
from producers.pipeline import Parts, Pipeline
from producers.quarantine import Quarantine
from producers.reader import Reader
from producers.reading.source import Opening, Source
from producers.rebase import KeptShift, Rebased, shift_to
from producers.sender import Sender
from producers.sender_thread import SenderThread
from producers.settings import ProducerSettings
from producers.spool.identity import this_machine
from producers.spool.spool import Spool

_LARGEST_SEGMENT, _LARGEST_GROUP = 16 << 20, 4 << 20


class Assembly(NamedTuple):
    """What pipelines need beside their input."""

    producer: ProducerSettings
    client: Kinesis
    clock: Clock


class _Way(NamedTuple):
    """What one pipeline of an input has of its own; `numbered`: its records bear its spool's numbers."""

    name: str
    source: Source
    spool: Spool
    seal: Seal
    record_type: str | None
    numbered: bool


def assemble(it: Input, assembly: Assembly) -> list[Pipeline]:
    """The pipelines of one input, not yet started: one, or a second for what passes with its own numbers.

    Raises SettingsError, SpoolInUse, SpoolUnusable, SpoolFull or SourceUnreadable; nothing is left open then.
    """
    lines = it.lines
    with ExitStack() as opened:
        spool = _open_spool(it, it.spool, assembly)
        opened.callback(spool.close)
        quarantine = Quarantine(spool.quarantine)
        kept = KeptShift(spool.directory, getattr(it.own, "paths", ())) if it.settings.rebase else None
        shift = NO_SHIFT if kept is None else kept.get(lambda: _shift(it, spool, quarantine, assembly.clock))
        seal = lines.sealer(shift)
        source = it.kind.open_source(it.own, _opening(it, spool, quarantine, seal, assembly.clock))
        opened.callback(source.close)
        if kept is not None:
            source = Rebased(source, kept)
        main = _pipeline(it, _Way(it.name, source, spool, seal, lines.record_type, numbered=True), assembly)
        beside: Source | None = getattr(source, "passing", None)
        pipelines = [main] if beside is None else [main, _passing(it, beside, assembly)]
        main.resources.enter_context(opened.pop_all())
    return pipelines


def _passing(it: Input, source: Source, assembly: Assembly) -> Pipeline:
    """The way of records that are judged already and keep their own source and number."""
    with ExitStack() as opened:
        spool = _open_spool(it, it.spool / passing.FOLDER, assembly)
        opened.callback(spool.close)
        name = f"{it.name} {passing.FOLDER}".strip()
        way = _Way(name, source, spool, passing.as_it_is, None, numbered=False)
        pipeline = _pipeline(it, way, assembly)
        pipeline.resources.enter_context(opened.pop_all())
    return pipeline


def _pipeline(it: Input, way: _Way, assembly: Assembly) -> Pipeline:
    clock, settings, spool = assembly.clock, it.settings, way.spool
    keyed = is_keyed(way.record_type)
    outlet = Outlet(
        assembly.client,
        settings.stream,
        clock,
        random.random,
        keyed=keyed,
        connections=assembly.producer.requests_in_flight,
        request_bytes=assembly.producer.request_bytes,
        name=way.name,
    )
    intake = Intake(
        spool,
        way.seal,
        Quarantine(spool.quarantine),
        clock,
        way.record_type,
        largest=lambda: outlet.largest_record,
        name=way.name,
        numbered=way.numbered,
    )
    group_bytes = min(_LARGEST_GROUP, settings.spool_bytes // 8)
    reader = Reader(
        way.source, intake, spool, clock, group_bytes=group_bytes, rate=settings.rate, name=way.name
    )
    sender = Sender(
        spool,
        outlet,
        key_reader(way.record_type),
        clock,
        status_seconds=settings.status_seconds,
        numbered=way.numbered,
        name=way.name,
    )
    parts = Parts(spool, reader, intake, outlet, SenderThread(sender))
    return Pipeline(way.name, parts, clock, drain_seconds=assembly.producer.drain_seconds)


def _open_spool(it: Input, directory: Path, assembly: Assembly) -> Spool:
    spool_bytes = it.settings.spool_bytes
    return Spool(
        directory,
        name=assembly.producer.name or socket.gethostname(),
        machine=this_machine(),
        new_ulid=lambda: new_ulid(assembly.clock),
        budget_bytes=spool_bytes,
        segment_bytes=min(_LARGEST_SEGMENT, spool_bytes // 8),
    )


def _opening(it: Input, spool: Spool, quarantine: Quarantine, seal: Seal, clock: Clock) -> Opening:
    return Opening(
        places=dict(spool.positions),
        quarantine=quarantine,
        directory=spool.directory,
        clock=clock,
        draw=random.random,
        seal=seal,
        has_room=spool.budget.has_room,
        name=it.name,
    )


def _shift(it: Input, spool: Spool, quarantine: Quarantine, clock: Clock) -> timedelta:
    """By how much event times are moved; finding it out reads the whole input once."""
    opening = _opening(it, spool, quarantine, it.lines.sealer(), clock)._replace(places={})
    with closing(it.kind.open_source(it.own, opening)) as source:
        return shift_to(clock.now(), source, it.lines.time_of)
