"""Whether a record may go back now: its envelope completed, then the codec's verdict."""

from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec import Raw

from headrace.schemas.codec import Event, RejectCode, Stage, decode
from headrace.schemas.event import format_sequence
from headrace.schemas.reading import identity
from headrace.schemas.registry import RECORD_TYPES
from headrace.warehouse.replays import RejectRow
from stream_jobs.replay.mending import BadRecord, Mend, Raised

REFERENCE = "replayof"
"""The CloudEvents extension that names the reject which the record was."""

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_NO_OBJECT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UnicodeEncodeError)


class Outcome(StrEnum):
    """What becomes of a candidate."""

    PASSED = "passed"
    STILL_BAD = "still_bad"
    LEFT = "left"
    MEND_FAILED = "mend_failed"
    UNREACHABLE = "unreachable"


class Judged(NamedTuple):
    """An outcome; the event to put when it is PASSED, else why not: the code of now, or a text."""

    outcome: Outcome
    event: bytes = b""
    why: str = ""


def judge(row: RejectRow, raw: bytes, mend: Mend | None) -> Judged:
    """Judge one reject by the whole of its record.

    A damaged entry of a spool never passes by itself: what still looks like a record need not be the one
    that was written.
    """
    if mend is None and row.code == RejectCode.DAMAGED_ENTRY:
        return Judged(Outcome.STILL_BAD, why=RejectCode.DAMAGED_ENTRY)
    mended = raw if mend is None else mend(bad_record(row, raw))
    if mended is None:
        return Judged(Outcome.LEFT)
    if isinstance(mended, Raised):
        return Judged(Outcome.MEND_FAILED, why=mended.text)
    event = complete(mended, row, ours=mend is not None or Stage.PRODUCER in row.stage.split(","))
    verdict = decode(event)
    if not isinstance(verdict, Event):
        return Judged(Outcome.STILL_BAD, why=verdict.code)
    return Judged(Outcome.PASSED, event)


def complete(raw: bytes, row: RejectRow, *, ours: bool) -> bytes:
    """The event under the reject's number, with a reference to the reject; else as it was written.

    `ours`: the envelope is not the sender's affair, as with a line that a producer read. What is no JSON
    object comes back as it is.
    """
    try:
        members: dict[str, object] = {**_MEMBERS.decode(raw)}
        if ours:
            defaults = {"specversion": "1.0", "type": row.record_type}
            members |= {name: value for name, value in defaults.items() if value and name not in members}
        if _is_numbered(members.get("type")) and identity(raw)[:2] != row.number:
            source, number = row.number
            sequence = format_sequence(number)
            members |= {"id": sequence, "source": source, "sequence": sequence}
        return msgspec.json.encode(members | {REFERENCE: row.id})
    except _NO_OBJECT:
        return raw


def bad_record(row: RejectRow, raw: bytes) -> BadRecord:
    """The reject as a person's function sees it."""
    return BadRecord(
        raw=raw,
        code=row.code,
        errors=msgspec.json.decode(row.errors, type=BadRecord.__annotations__["errors"]),
        source=row.source,
        sequence=row.sequence,
        record_type=row.record_type,
        stage=row.stage,
        first_seen=row.first_seen,
    )


def _is_numbered(name: object) -> bool:
    if isinstance(name, Raw):
        name = msgspec.json.decode(name)
    record_type = RECORD_TYPES.get(name) if isinstance(name, str) else None
    return record_type is None or record_type.numbered
