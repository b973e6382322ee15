"""What the error desk writes: rejects, and in the same transaction how far `errors` has been merged."""

from collections.abc import Callable
from typing import NamedTuple, Self

import pyarrow as pa

from headrace.ops.clock import Clock
from headrace.warehouse import batch_writer
from headrace.warehouse.opening import open_session
from headrace.warehouse.probe import AFTER_COMMIT, AFTER_STAGE, BEFORE_COMMIT, Probe, no_probe
from headrace.warehouse.session import Cursor
from headrace.warehouse.system_tables import LOCK_WRITERS


class Position(NamedTuple):
    """A user record's place in a shard; they compare in the shard's order.

    Attributes:
        number: of the Kinesis record, to compare by.
        sub: which of that record's user records, from 0.
        sequence: the number's own text, which Kinesis takes back; an emulator pads it.
    """

    number: int
    sub: int
    sequence: str

    @classmethod
    def of(cls, sequence: str, sub: int) -> Self:
        """The place that KCL, or the table, names."""
        return cls(int(sequence), sub, sequence)


START = Position(-1, 0, "")
"""Before the first record of a shard."""

Rows = Callable[[Position], pa.Table | None]
"""The rows of `rejects` that lie behind a position, one per id; None when there are none."""


class Desk:
    """One connection to the tables, for one thread at a time.

    Every call raises `WarehouseUnavailable` when the engine gives no answer: all of it, or nothing, is then
    done, and the same call may be made again.
    """

    def __init__(self, url: str, clock: Clock, *, probe: Probe = no_probe) -> None:
        self._session = open_session(url)
        self._clock = clock
        self._probe = probe

    def merge(self, stream: str, shard: str, upto: Position, rows: Rows) -> int:
        """Merge what the shard holds up to a position, less what has been merged; how many rows that was.

        `stream` is the stream's identity, with its creation. Two owners of one shard do no harm: the lock
        lets them take turns, and the second finds its records merged.

        Raises:
            WarehouseRefused: the warehouse takes one of the rows for no good; nothing was merged.
            SchemaMismatch: the tables are not those of this version.
        """
        with self._session.transaction() as cursor:
            cursor.execute(LOCK_WRITERS)
            held = _position(cursor, stream, shard)
            if upto <= held:
                return 0
            staged = rows(held)
            batch_writer.merge_rejects(cursor, staged)
            self._probe(AFTER_STAGE)
            self._move(cursor, stream, shard, upto)
            self._probe(BEFORE_COMMIT)
        self._probe(AFTER_COMMIT)
        return 0 if staged is None else staged.num_rows

    def close(self) -> None:
        """Give the connection back; the next call opens another."""
        self._session.close()

    def _move(self, cursor: Cursor, stream: str, shard: str, upto: Position) -> None:
        cursor.execute("DELETE FROM desk_progress WHERE stream = %s AND shard = %s", [stream, shard])
        cursor.execute(
            "INSERT INTO desk_progress (stream, shard, read_position, sub_position, updated_at) "
            "VALUES (%s, %s, %s, %s, %s)",
            [stream, shard, upto.sequence, upto.sub, self._clock.now()],
        )


def positions(url: str, stream: str) -> dict[str, str]:
    """Sequence number of the last record merged, by shard, of the stream with this identity.

    Raises `WarehouseUnavailable`, and `SchemaMismatch` where the tables are missing.
    """
    session = open_session(url)
    try:
        with session.cursor() as cursor:
            cursor.execute("SELECT shard, read_position FROM desk_progress WHERE stream = %s", [stream])
            return {str(shard): str(position) for shard, position in cursor}
    finally:
        session.close()


def _position(cursor: Cursor, stream: str, shard: str) -> Position:
    cursor.execute(
        "SELECT read_position, sub_position FROM desk_progress WHERE stream = %s AND shard = %s",
        [stream, shard],
    )
    row = cursor.fetchone()
    return START if row is None else Position.of(str(row[0]), int(str(row[1])))
