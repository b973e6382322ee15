"""Where records that did not make it are: the warehouse, the error archive, the delivery's error objects."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

import msgspec

from headrace.errors import ArchiveRefused
from headrace.schemas.codec import Event, decode
from headrace.schemas.reading import identity
from headrace.schemas.records.reject import Reject
from headrace.schemas.rejects import is_unnumbered
from headrace.warehouse.replays import RejectRow, Replays, Wanted
from stream_jobs.replay.failed_lines import FailedLine, read_lines
from stream_jobs.replay.objects import Objects, failed_keys, lines, reject_keys

Tell = Callable[[str], None]

_REJECTS_AT_ONCE = 500


class Origin(StrEnum):
    """A place to look; `--from` names them."""

    WAREHOUSE = "warehouse"
    ERRORS = "errors"
    FAILED = "failed"


DELIVERY = "delivery"
"""The stage of what delivery failed on, beside the stages that reject."""


class Failed(NamedTuple):
    """A line of an error object; `stream` is the declared stream that its records were on."""

    stream: str
    key: str
    line: FailedLine


def archived(lake: Objects, replays: Replays, wanted: Wanted, unreadable: Tell) -> Iterator[RejectRow]:
    """Rejects of the error archive, each once: unknown to the warehouse, and with an open number."""
    given: set[str] = set()
    for key in reject_keys(lake, wanted.since):
        waiting: dict[str, RejectRow] = {}
        for place, line in lines(_read(lake, key, unreadable)):
            row = row_of(line)
            if row is None:
                unreadable(f"{key}, line {place + 1}: no reject.v1")
            elif wanted.takes(row) and row.id not in given:
                waiting.setdefault(row.id, row)
            if len(waiting) >= _REJECTS_AT_ONCE:
                given |= waiting.keys()
                yield from replays.unknown(waiting.values())
                waiting = {}
        given |= waiting.keys()
        yield from replays.unknown(waiting.values())


def row_of(line: bytes) -> RejectRow | None:
    """A line of the error archive as the row that it would be in the warehouse; None when it is none."""
    event = decode(line)
    if not isinstance(event, Event) or not isinstance(event.data, Reject):
        return None
    data = event.data
    numbered = event.sequence is not None and not is_unnumbered(event.source)
    return RejectRow(
        id=data.id,
        stage=data.stage,
        code=data.code,
        record_type=data.record_type,
        source=event.source if numbered else None,
        sequence=int(event.sequence or 0) if numbered else None,
        errors=msgspec.json.encode(data.errors).decode(),
        raw=data.raw,
        raw_length=data.raw_length,
        raw_sha256=data.raw_sha256,
        raw_place=data.raw_place,
        shard=data.shard,
        shard_sequence=data.shard_sequence,
        first_seen=event.time,
    )


def failed(lake: Objects, replays: Replays, wanted: Wanted, unreadable: Tell) -> Iterator[Failed]:
    """The lines of the delivery's error objects that were not put back yet; a line is taken whole or not."""
    if wanted.stages and DELIVERY not in wanted.stages:
        return
    for stream, key in failed_keys(lake, wanted.since):
        done = set() if wanted.again else replays.replayed_lines(key)
        for line in read_lines(_read(lake, key, unreadable)):
            if not isinstance(line, FailedLine):
                unreadable(f"{key}, line {line.line + 1}: {line.why}")
            elif line.line not in done and _takes(wanted, line):
                yield Failed(stream, key, line)


def _read(lake: Objects, key: str, unreadable: Tell) -> bytes:
    """What the object holds; nothing, and word of it, when that one cannot be read."""
    try:
        return lake.read(key)
    except ArchiveRefused as error:
        unreadable(str(error))
        return b""


def _takes(wanted: Wanted, line: FailedLine) -> bool:
    if wanted.codes and line.code not in wanted.codes:
        return False
    if line.arrived is not None and not wanted.takes_time(line.arrived):
        return False
    if not wanted.types and not wanted.sources:
        return True
    known = [identity(record) for record in line.records]
    return any(
        (not wanted.types or record_type in wanted.types) and (not wanted.sources or source in wanted.sources)
        for source, _, record_type in known
    )
