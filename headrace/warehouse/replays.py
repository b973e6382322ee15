"""What the way back asks of the warehouse: which rejects may be tried again; marks of what was put."""
# ruff: noqa: S608  every name in the text comes from a declaration, values are parameters

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar, cast

import numpy as np
import pyarrow as pa
from msgspec import Struct

from headrace.ops.clock import Clock
from headrace.schemas.reject_codes import RejectCode
from headrace.schemas.targets.sql import quote
from headrace.warehouse import batch_writer
from headrace.warehouse.ledger import Ledger
from headrace.warehouse.ledger_store import read_sources
from headrace.warehouse.opening import open_session
from headrace.warehouse.probe import AFTER_COMMIT, BEFORE_COMMIT, Probe, no_probe
from headrace.warehouse.staging import arrow_schema
from headrace.warehouse.system_tables import LOCK_WRITERS, REJECTS, REPLAYED_LINES

UNSETTLED = RejectCode.TRANSFORM_FAULT
"""Such a record may well be counted: it is the archive that lacks it, so the ledger does not settle it."""

_ROWS_AT_ONCE = 200  # with at most 512 KiB of raw bytes each
_IDS_AT_ONCE = 1_000

_Item = TypeVar("_Item")


class Wanted(Struct, frozen=True, kw_only=True):
    """Which rejects to try again: each filter that is not empty must hold.

    Args:
        codes: reject codes; for what delivery failed on, its error codes.
        types: record types.
        stages: where it was rejected, one of the row's.
        sources: names of sources.
        since: met at that instant or later (aware).
        until: met before that instant (aware).
        again: those too that were put back since they were last met.
    """

    codes: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    again: bool = False

    def takes(self, row: "RejectRow") -> bool:
        """Whether the filters let the reject through."""
        return (
            (not self.codes or row.code in self.codes)
            and (not self.types or row.record_type in self.types)
            and (not self.stages or not set(self.stages).isdisjoint(row.stage.split(",")))
            and (not self.sources or row.source in self.sources)
            and self.takes_time(row.first_seen)
        )

    def takes_time(self, met: datetime) -> bool:
        """Whether the instant lies between `since` and `until`."""
        return (self.since is None or met >= self.since) and (self.until is None or met < self.until)


class RejectRow(NamedTuple):
    """A row of `rejects`, without what only its counters say; `errors` is JSON."""

    id: str
    stage: str
    code: str
    record_type: str | None
    source: str | None
    sequence: int | None
    errors: str
    raw: bytes
    raw_length: int
    raw_sha256: str
    raw_place: str | None
    shard: str | None
    shard_sequence: str | None
    first_seen: datetime

    @property
    def number(self) -> tuple[str, int]:
        """The (source, sequence) under which the record goes back: its own, or one made from the reject."""
        if self.source is None or self.sequence is None:
            return f"replay/{self.id}", 1
        return self.source, self.sequence


class Marks(Struct, frozen=True, kw_only=True):
    """What was put back, to be remembered.

    Args:
        rejects: ids of rows of `rejects`.
        archived: rejects that only the archive knew; they become rows.
        lines: lines of the delivery's error objects, as (object key, line).
    """

    rejects: Sequence[str] = ()
    archived: Sequence[RejectRow] = ()
    lines: Sequence[tuple[str, int]] = ()

    def __bool__(self) -> bool:
        return bool(self.rejects or self.archived or self.lines)


class Replays:
    """One connection to the tables. Its calls raise `WarehouseUnavailable`, and may then be made again."""

    def __init__(self, url: str, clock: Clock, *, probe: Probe = no_probe) -> None:
        self._session = open_session(url)
        self._clock = clock
        self._probe = probe

    def count(self, wanted: Wanted) -> int:
        """How many rows `rejects` would give."""
        where, values = _where(wanted)
        with self._session.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) {_FROM} WHERE {where}", values)
            (count,) = cursor.fetchone() or (0,)
        return int(str(count))

    def rejects(self, wanted: Wanted) -> Iterator[RejectRow]:
        """The rejects that may be tried again, oldest first.

        Those whose number is neither counted nor written off, and which were not put back since they were
        last met. Which they are is asked once, for all: each page holds what is still to be tried of its own.
        """
        where, values = _where(wanted)
        columns = ", ".join(f"r.{quote(name)}" for name in RejectRow._fields)
        with self._session.cursor() as cursor:
            cursor.execute(f"SELECT r.id, r.first_seen {_FROM} WHERE {where} {_OLDEST_FIRST}", values)
            found = cursor.fetchall()
        page = f"{where} AND r.first_seen BETWEEN %s AND %s"
        for some in _portions(found, _ROWS_AT_ONCE):
            identities, span = [identity for identity, _ in some], (some[0][1], some[-1][1])
            with self._session.cursor() as cursor:
                cursor.execute(
                    f"SELECT {columns} {_FROM} WHERE {page} AND {_among('r.id', identities)} {_OLDEST_FIRST}",
                    [*values, *span, *identities],
                )
                rows = [RejectRow(*cast("_Row", row)) for row in cursor.fetchall()]
            yield from rows

    def unknown(self, rows: Iterable[RejectRow]) -> list[RejectRow]:
        """Of rejects from elsewhere those that have no row here, and whose number is still open."""
        by_id = {row.id: row for row in rows}
        if not by_id:
            return []
        with self._session.snapshot() as cursor:
            for some in _portions(list(by_id)):
                cursor.execute(f"SELECT id FROM rejects WHERE {_among('id', some)}", some)
                for (known,) in cursor.fetchall():
                    del by_id[str(known)]
            ledger = read_sources(cursor, {row.number[0] for row in by_id.values()})
        return [row for row in by_id.values() if row.code == UNSETTLED or _is_open(row, ledger)]

    def replayed_lines(self, object_key: str) -> set[int]:
        """The lines of an error object that were put back."""
        with self._session.cursor() as cursor:
            cursor.execute("SELECT line FROM replayed_lines WHERE object_key = %s", [object_key])
            return {int(str(line)) for (line,) in cursor.fetchall()}

    def mark(self, marks: Marks) -> None:
        """Remember what was put back, in one transaction; safe to repeat."""
        now = self._clock.now()
        identities = [*marks.rejects, *(row.id for row in marks.archived)]
        with self._session.transaction() as cursor:
            cursor.execute(LOCK_WRITERS)
            if marks.archived:
                batch_writer.merge_rejects(cursor, _table(marks.archived))
            for some in _portions(identities):
                cursor.execute(
                    f"UPDATE rejects SET replayed_at = %s WHERE {_among('id', some)}", [now, *some]
                )
            lines = [(key, line, now) for key, line in dict.fromkeys(marks.lines)]
            batch_writer.merge_rows(cursor, REPLAYED_LINES, lines)
            self._probe(BEFORE_COMMIT)
        self._probe(AFTER_COMMIT)

    def close(self) -> None:
        """Give the connection back; the next call opens another."""
        self._session.close()


def _is_open(row: RejectRow, ledger: Ledger) -> bool:
    source, number = row.number
    settled = ledger[source].counted | ledger[source].written_off
    return not settled.mask(np.array([number]))[0]


_Row = tuple[
    str, str, str, str | None, str | None, int | None, str, bytes, int, str,
    str | None, str | None, str | None, datetime,
]  # fmt: skip

_FROM = """FROM rejects AS r LEFT JOIN ledger_ranges AS l ON l.fate IN ('counted', 'written_off')
    AND l.source = CASE WHEN r.source IS NULL OR r.sequence IS NULL THEN 'replay/' || r.id ELSE r.source END
    AND CASE WHEN r.source IS NULL OR r.sequence IS NULL THEN 1 ELSE r.sequence END
        BETWEEN l.first_number AND l.last_number"""
"""Each reject with the range that settles its number: ranges are disjoint, so there is at most one.

A join and no EXISTS: below an OR, Redshift does not take a correlated subquery.
"""

_OLDEST_FIRST = "ORDER BY r.first_seen, r.id"
_WAS_ON_A_STREAM = "r.stage <> 'batch'"
"""A rejected line of a loan file never was, and a stream is no place for it."""

_IS_OPEN = "(r.code = %s OR l.source IS NULL)"


def _where(wanted: Wanted) -> tuple[str, list[object]]:
    """The condition, and the values of its places."""
    conditions = [_WAS_ON_A_STREAM, _IS_OPEN]
    values: list[object] = [UNSETTLED.value]
    has_stage = " OR ".join([_HAS_STAGE] * len(wanted.stages))
    for condition, some in (
        (_among("r.code", wanted.codes), wanted.codes),
        (_among("r.record_type", wanted.types), wanted.types),
        (f"({has_stage})", wanted.stages),
        (_among("r.source", wanted.sources), wanted.sources),
        ("r.first_seen >= %s", filter(None, [wanted.since])),
        ("r.first_seen < %s", filter(None, [wanted.until])),
    ):
        if found := list(some):
            conditions.append(condition)
            values += found
    if not wanted.again:
        conditions.append("(r.replayed_at IS NULL OR r.last_seen > r.replayed_at)")
    return " AND ".join(conditions), values


_HAS_STAGE = "POSITION(',' || %s || ',' IN ',' || r.stage || ',') > 0"


def _among(column: str, values: Collection[object]) -> str:
    return f"{column} IN ({', '.join(['%s'] * len(values))})"


def _portions(items: Sequence[_Item], size: int = _IDS_AT_ONCE) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _table(rows: Sequence[RejectRow]) -> pa.Table:
    """Rows that nobody here has met: their counters are 0."""
    schema = arrow_schema(REJECTS)
    unmet = {"seen": 0, "seen_on_errors": 0, "replayed_at": None}
    full = [row._asdict() | {"last_seen": row.first_seen} | unmet for row in rows]
    return pa.Table.from_pylist(full, schema=schema)
