"""Gives out the records of a spool as they would be sent, one by one and in order, without sending them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from headrace.errors import SettingsError
from producers.spool.cursor import Cursor
from producers.spool.entry import Entry
from producers.spool.inspection import Still, lives, still


class Wanted(NamedTuple):
    """Which records: of one life or of all (None), their numbers, and whether only those that wait."""

    life: str | None = None
    first: int = 1
    last: int | None = None
    waiting: bool = True


class Exported(NamedTuple):
    """One number of one source; `whole`: the record is as it was accepted, not what damage left of it."""

    source: str
    number: int
    record: bytes
    whole: bool


def export(spool: Path, wanted: Wanted) -> Iterator[Exported]:
    """The records, the oldest life first. Raises SettingsError (no such life) or SpoolUnusable."""
    chosen = [life for life in lives(spool) if wanted.life in (None, life.name)]
    if wanted.life is not None and not chosen:
        raise SettingsError(f"{spool} has no life {wanted.life}: `headrace spool inspect {spool}` names them")
    for life in chosen:
        yield from _life(life, wanted)


def as_ndjson(out: BinaryIO, exported: Exported) -> bool:
    """Write a record as one line; whether it could be: what is damaged is no JSON."""
    if exported.whole:  # a line feed in JSON is only white space
        out.write(exported.record.translate(_ONE_LINE) + b"\n")
    return exported.whole


def as_raw(out: BinaryIO, exported: Exported) -> bool:
    """Write the exact bytes behind a line `source number whole|damaged length`; whether they are whole."""
    state = "whole" if exported.whole else "damaged"
    out.write(f"{exported.source} {exported.number} {state} {len(exported.record)}\n".encode())
    out.write(exported.record + b"\n")
    return exported.whole


FORMS: dict[str, Callable[[BinaryIO, Exported], bool]] = {"ndjson": as_ndjson, "raw": as_raw}

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


def _life(directory: Path, wanted: Wanted) -> Iterator[Exported]:
    after = wanted.first - 1
    while (life := still(directory)) is not None:
        begin = life.acknowledged if wanted.waiting else life.first - 1
        after = max(after, begin)
        try:
            for exported in _walk(life, after, wanted.last):
                yield exported
                after = exported.number
        except FileNotFoundError:  # a producer has sent and deleted it: go on behind
            continue
        return


def _walk(life: Still, after: int, last: int | None) -> Iterator[Exported]:
    cursor = Cursor(life, after)
    try:
        while items := cursor.take():
            for item in items:
                if last is not None and item.number > last:
                    return
                whole = isinstance(item, Entry)
                record = item.record if isinstance(item, Entry) else item.raw
                yield Exported(life.source, item.number, record, whole)
    finally:
        cursor.close()
